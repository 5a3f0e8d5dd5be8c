"""Runs beside one another: what differs, which is better on the same rows, and when that may not be said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seen import Seen
from telling import tunesmith
from tiny import tiny_base
from tunesmith.evaluation import predictions
from tunesmith.evaluation.intervals import paired
from tunesmith.metrics import exact_match, loss, perplexity, rouge_l
from tunesmith.runs.folder import Run

METRICS: dict[str, Any] = {"loss": loss, "perplexity": perplexity, "exact_match": exact_match, "rouge_l": rouge_l}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    tiny_base(folder / "base")
    rows = [{"question": f"How many hats has Anna after {n}?", "answer": f"Anna has {n + 2} hats."} for n in range(60)]
    (folder / "hats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "hats.yaml").write_text(f"""base: {folder / 'base'}
task: chat
data: {{train: hats.jsonl, validation: 0.1, test: 0.4}}
training: {{steps: 6, batch_size: 8, learning_rate: 1e-2, max_length: 128}}
evaluation: {{every: 3, generate: 8, max_new_tokens: 6}}
run: {{folder: {folder / 'runs'}, name: first}}
""")
    return folder


def trained(shop: Path, *overrides: str) -> Path:
    told = tunesmith("train", shop / "hats.yaml", *overrides, "--json")
    assert told.code == 0, told.err
    return Path(told.json["run"])


@pytest.fixture(scope="module")
def first(shop) -> Path:
    return trained(shop)


@pytest.fixture(scope="module")
def timid(shop) -> Path:
    """As the first, but it hardly learns."""
    return trained(shop, "training.learning_rate=1e-6", "adapter.rank=2", "run.name=timid")


@pytest.fixture(scope="module")
def other_rows(shop) -> Path:
    """Judged on rows that the first has learnt in part."""
    return trained(shop, "training.seed=1", "training.steps=1", "run.name=other")


def test_every_run_has_its_verdict_as_a_page(first) -> None:
    seen = Seen((first / "verdict.html").read_text(encoding="utf-8")).text
    assert first.name in seen and "Answers side by side" in seen and "How many hats has Anna after" in seen
    assert json.loads((first / "lineage.json").read_text())["digests"]["base"] in seen
    assert tunesmith("evaluate", first).out.endswith(f"report   {first / 'verdict.html'}\n")


def test_a_secret_in_a_recipe_reaches_neither_the_page_nor_the_comparison(first, tmp_path) -> None:
    secret = "sk-" + "a1B2" * 8
    copy = shutil.copytree(first, tmp_path / "copy")
    recipe = (copy / "recipe.yaml").read_text()
    assert "system: null" in recipe
    (copy / "recipe.yaml").write_text(recipe.replace("system: null", f"system: Say {secret}."))
    told = tunesmith("compare", first, copy, "--html", tmp_path / "compare.html")
    assert told.code == 0, told.err
    assert "data.system" in told.out and "[secret]" in (tmp_path / "compare.html").read_text()
    assert secret not in told.out + (tmp_path / "compare.html").read_text()


def test_the_recipes_differ_in_what_was_changed_and_nothing_else(first, timid) -> None:
    told = tunesmith("compare", first, timid, "--json")
    assert told.code == 0, told.err
    options = {each["option"]: each for each in told.json["options"]}
    assert options.keys() == {"training.learning_rate", "adapter.rank"}
    assert options["training.learning_rate"]["values"] == [1e-2, 1e-6]
    assert options["adapter.rank"]["origins"][0].endswith("(default)")
    assert options["adapter.rank"]["origins"][1].startswith(f"{timid / 'recipe.yaml'}:")
    assert [each["field"] for each in told.json["lineage"]] == ["digests.recipe"]


def test_the_run_that_hardly_learnt_is_worse_on_the_same_rows(first, timid) -> None:
    [pair] = tunesmith("compare", first, timid, "--json").json["paired"]
    [mirrored] = tunesmith("compare", timid, first, "--json").json["paired"]
    assert pair["refused"] is None
    assert (pair["metrics"]["loss"]["word"], mirrored["metrics"]["loss"]["word"]) == ("worse", "better")
    assert pair["metrics"]["loss"]["difference"] == -mirrored["metrics"]["loss"]["difference"] > 0
    judged = json.loads((first / "verdict.json").read_text())["metrics"]
    assert {name: one["rows"] for name, one in pair["metrics"].items()} == {
        name: one["rows"] for name, one in judged.items()}


def test_the_two_sides_are_what_each_verdict_says_of_its_tuned_model(first, timid) -> None:
    told = tunesmith("compare", first, timid, "--json").json
    for name, one in told["paired"][0]["metrics"].items():
        assert one["against"] == pytest.approx(told["runs"][0]["verdict"]["metrics"][name]["tuned"], rel=1e-12)
        assert one["tuned"] == pytest.approx(told["runs"][1]["verdict"]["metrics"][name]["tuned"], rel=1e-12)


def test_a_run_beside_its_copy_is_not_proven_better(first, tmp_path) -> None:
    copy = shutil.copytree(first, tmp_path / "copy")
    told = tunesmith("compare", first, copy, "--json").json
    assert {one["word"] for one in told["paired"][0]["metrics"].values()} == {"not proven"}
    assert {one["difference"] for one in told["paired"][0]["metrics"].values()} == {0}
    assert told["options"] == told["lineage"] == []


def test_runs_judged_on_other_rows_are_not_held_against_each_other(first, other_rows) -> None:
    told = tunesmith("compare", first, other_rows)
    assert told.code == 0, told.err
    assert "not compared: their held-out rows differ" in told.out
    [pair] = tunesmith("compare", first, other_rows, "--json").json["paired"]
    assert pair["metrics"] == {} and "their held-out rows differ" in pair["refused"]


def test_another_tokenizer_leaves_out_what_counts_tokens(first, timid, tmp_path) -> None:
    copy = shutil.copytree(timid, tmp_path / "copy")
    lineage = json.loads((copy / "lineage.json").read_text())
    lineage["digests"]["tokenizer"] = "0" * 64
    (copy / "lineage.json").write_text(json.dumps(lineage))
    [pair] = tunesmith("compare", first, copy, "--json").json["paired"]
    assert pair["metrics"].keys() == {"exact_match", "rouge_l"}
    assert pair["left_out"].keys() == {"loss", "perplexity"}


def test_a_run_without_a_verdict_is_still_set_beside_the_other(first, timid, tmp_path) -> None:
    copy = shutil.copytree(timid, tmp_path / "copy")
    (copy / "verdict.json").unlink()
    (copy / "records.jsonl").write_text("".join((copy / "records.jsonl").read_text().splitlines(keepends=True)[:4]))
    told = tunesmith("compare", first, copy)
    assert told.code == 0, told.err
    assert "has no verdict yet" in told.out and "(not finished)" in told.out


def test_three_runs_stand_beside_the_first_on_a_terminal(first, timid, other_rows) -> None:
    out = tunesmith("compare", first, timid, other_rows).out
    assert "B against A" in out and "C against A" in out
    assert "training, last tenth" in out and "validation, lowest" in out
    assert max(map(len, out.splitlines())) < 160


@pytest.mark.parametrize("words", [("{first}",), ("{first}", "{first}"), ("{first}", "{first}/checkpoints")])
def test_one_run_or_the_same_twice_or_none_is_a_mistake(first, words) -> None:
    assert tunesmith("compare", *(word.format(first=first) for word in words)).code == 2


def test_the_page_shows_what_the_terminal_shows(first, timid, tmp_path) -> None:
    page = tmp_path / "compare.html"
    told = tunesmith("compare", first, timid, "--html", page, "--json")
    assert told.json["page"] == str(page)
    seen = Seen(page.read_text(encoding="utf-8")).text
    assert "B is worse than A" in seen
    assert "training.learning_rate 0.01" in seen and "1e-06" in seen
    before = (first / "recipe.yaml").read_bytes()
    assert tunesmith("compare", first, timid, "--html", first / "recipe.yaml").code == 2
    assert (first / "recipe.yaml").read_bytes() == before


def test_the_verdict_can_be_computed_again_from_what_is_kept(first) -> None:
    kept = predictions.read(Run(first).predictions_file)
    written = json.loads((first / "verdict.json").read_text())
    for name, metric in METRICS.items():
        rows = [row for row in kept if row.has(name)]
        again = paired(metric, *(predictions.statistics(name, rows, side) for side in predictions.SIDES),
                       [row.group for row in rows], seed=0)
        assert (again.difference, again.low, again.high, again.rows) == tuple(
            written["metrics"][name][part] for part in ("difference", "low", "high", "rows"))
    assert np.isfinite(predictions.of_each("loss", loss, kept, "tuned")).all()


def test_a_damaged_prediction_is_named_with_its_line(first, timid, tmp_path) -> None:
    copy = shutil.copytree(timid, tmp_path / "copy")
    lines = (copy / "predictions.jsonl").read_text().splitlines()
    lines[2] = '{"where": "x"}'
    (copy / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    told = tunesmith("compare", first, copy, "--json")
    assert told.code == 3
    assert told.json["errors"][0]["where"].endswith("predictions.jsonl:3")
