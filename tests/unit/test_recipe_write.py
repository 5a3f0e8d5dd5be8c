"""The resolved recipe: written whole, read back the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tunesmith.recipe import differences, digest
from tunesmith.recipe.digests import FREE
from tunesmith.recipe.options import every
from tunesmith.recipe.origins import origins
from tunesmith.recipe.read import parse, read
from tunesmith.recipe.write import dump, leaves, values

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
FULL = TEXT.filter(bool)
SHARE = st.floats(0, 0.49) | st.just(0)
ADAPTERS = st.just({"type": "full"}) | st.fixed_dictionaries({"type": st.just("lora")}, optional={
    "rank": st.integers(1, 4096), "alpha": st.floats(0.001, 1e6), "targets": st.lists(FULL, min_size=1, max_size=3)})
RECIPES = st.fixed_dictionaries({
    "base": FULL | st.fixed_dictionaries({"name": FULL, "dtype": st.sampled_from(["auto", "float32"])}),
    "task": st.sampled_from(["chat", "completion", {"type": "chat"}]),
    "adapter": ADAPTERS,
    "data": st.fixed_dictionaries({"train": FULL | st.lists(FULL, min_size=1, max_size=3)}, optional={
        "validation": SHARE, "test": SHARE, "columns": st.dictionaries(TEXT, TEXT, max_size=3),
        "system": st.none() | TEXT, "group": st.none() | TEXT, "format": st.sampled_from([None, "pair", "messages"]),
        "mix": st.sampled_from([{}, {"yes": {"files": "mix/g.jsonl", "share": 0.1, "format": "pair"}}])}),
    "evaluation": st.fixed_dictionaries({}, optional={
        "also": st.sampled_from(["other.jsonl", ["1.jsonl", "deep/1.csv"], {"a_1": "held out/g", "b-2": {
            "files": ["held out/g", "held out/h"], "rows": 9, "metric": "loss",
            "task": {"type": "completion", "learn": "all"}}}])}),
    "training": st.fixed_dictionaries({}, optional={
        "learning_rate": st.floats(1e-300, 1), "epochs": st.floats(1e-6, 10_000) | st.integers(1, 9),
        "steps": st.none() | st.integers(1, 10**9), "seed": st.integers(0, 2**32 - 1),
        "device": st.sampled_from(["auto", "cuda:3"])}),
    "run": st.fixed_dictionaries({}, optional={
        "name": st.from_regex(r"\A[a-zə0-9_][a-zə0-9_.-]{0,9}\Z"), "folder": FULL}),
})


@pytest.fixture
def recipe():
    return parse({"base": "x", "task": "chat", "data": {"train": "/data/a.jsonl"}}, source="test")


@settings(max_examples=30, deadline=None)
@given(RECIPES)
@example({"base": '"d\x85\U000982f0', "task": "chat", "data": {"train": "a"}})
def test_what_is_written_is_read_back_as_the_same_recipe(tmp_path_factory, asked):
    recipe = parse(asked, source="test")
    path = tmp_path_factory.mktemp("run") / "recipe.yaml"
    path.write_bytes(dump(recipe).encode())
    again = read(path)
    assert again == recipe
    assert dump(again) == dump(recipe)
    assert digest(again) == digest(recipe)


@pytest.mark.parametrize("text", [
    '"d\x85\U000982f0', "a\u2028b", " a\n\n  b\n", "\n", "yes", "1e-4", "~", "2026-11-21", "a: b #c", "'",
    "\r\n", "\ufeffx", "\x7f", "- a", "", " ", "{", "%a", "0x1F",
    "<<", "!x", "\ue000", "a" * 3000, "word " * 400])
def test_text_is_read_back_letter_by_letter(tmp_path, text):
    recipe = parse({"base": "x", "task": "chat", "data": {"train": "a", "system": text, "columns": {text: text}}},
                   source="test")
    path = tmp_path / "recipe.yaml"
    path.write_bytes(dump(recipe).encode())
    again = read(path)
    assert (again.data.system, again.data.columns) == (text, {text: text})


def test_every_option_is_written_out(recipe):
    written = YAML(typ="safe", pure=True).load(dump(recipe))
    assert written == values(recipe)
    for path in every(written):
        inside = written
        for step in path:
            assert step in inside
            inside = inside[step]


def test_every_option_is_explained_where_it_is_written(recipe):
    lines = dump(recipe).splitlines()
    assert lines[lines.index("  learning_rate: 0.0002") - 1].startswith("  # The size of the optimiser's steps")
    assert max(map(len, lines)) <= 120


def test_each_value_knows_where_it_comes_from(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text("base: x\ntask: chat\ndata:\n  train: a.jsonl\nadapter: {rank: 4}\n")
    found = origins(path, ["training.epochs=2"])
    assert (found["base.name"].value, found["base.name"].origin) == ("x", f"{path}:1")
    assert found["data.train"].origin == f"{path}:4"
    assert found["adapter.rank"].origin == f"{path}:5"
    assert found["adapter.type"].origin == "default"
    assert (found["training.epochs"].value, found["training.epochs"].origin) == (
        2, "command line: `training.epochs=2`")
    assert (found["run.name"].value, found["run.name"].origin) == ("orders", "default")
    assert list(found) == list(leaves(read(path)))


def test_options_that_change_nothing_leave_the_digest_alone(recipe):
    values = {"training.save_every": 7, "training.keep": 9, "training.device": "cpu", "evaluation.generate": 3,
              "evaluation.max_new_tokens": 9, "evaluation.metric": "loss", "evaluation.batch_size": 2,
              "run.folder": "there", "run.name": "other", "run.observers": "[tensorboard]",
                  "data.audit": "[{type: labels, severity: note}]"}
    assert set(values) == FREE
    other = changed([f"{path}={value}" for path, value in values.items()])
    assert digest(other) == digest(recipe)
    assert not differences(recipe, other)


def test_what_is_measured_elsewhere_may_change_and_what_is_mixed_in_may_not():
    mix = ["data.mix={general: {files: /here/g.jsonl, share: 0.1}}"]
    assert digest(changed([*mix, "evaluation.also=wiki.txt"])) == digest(changed(mix))
    assert digest(changed([*mix, "data.mix.general.files=/there/g.jsonl"])) == digest(changed(mix))
    assert differences(changed(mix), changed([*mix, "data.mix.general.share=0.2"])) == [
        ("data.mix.general.share", 0.1, 0.2)]
    assert ("data.mix.general.share", None, 0.1) in differences(changed([]), changed(mix))


@pytest.mark.parametrize(("override", "path", "old", "new"), [
    ("training.learning_rate=1e-3", "training.learning_rate", 2e-4, 1e-3),
    ("adapter.rank=4", "adapter.rank", 16, 4),
    ("base=y", "base.name", "x", "y"),
    ("data.test=0.2", "data.test", 0.1, 0.2),
    ("data.train=b.jsonl", "data.train", "a.jsonl", "b.jsonl"),
    ("data.columns={prompt: Q}", "data.columns", {}, {"prompt": "Q"}),
    ("training.optimiser.weight_decay=0.5", "training.optimiser.weight_decay", 0.0, 0.5),
    ("evaluation.every=5", "evaluation.every", 0, 5),
])
def test_an_option_that_changes_the_result_is_named_with_both_values(recipe, override, path, old, new):
    other = changed([override])
    assert digest(other) != digest(recipe)
    assert differences(recipe, other) == [(path, old, new)]


def test_another_type_is_a_difference_in_each_option(recipe):
    found = {path: (old, new) for path, old, new in differences(recipe, changed(["adapter=full"]))}
    assert found["adapter.type"] == ("lora", "full")
    assert found["adapter.rank"] == (16, None)


def test_a_moved_folder_is_no_difference(recipe):
    assert not differences(recipe, changed(["data.train=/elsewhere/a.jsonl"]))


def changed(overrides):
    return parse({"base": "x", "task": "chat", "data": {"train": "/data/a.jsonl"}}, source="test", overrides=overrides)
