"""What `explain` and `schema` tell, made from the sections and nothing else."""

from __future__ import annotations

import re

import pytest

from tunesmith import catalog
from tunesmith.errors import Misuse
from tunesmith.recipe import explain
from tunesmith.recipe.options import every
from tunesmith.recipe.schema import describe, schema

KNOWN = every({})
SECTIONS = ["base", "task", "data", "adapter", "training", "evaluation", "run", "monitoring"]


@pytest.mark.parametrize("path", [".".join(map(str, path)) for path in KNOWN])
def test_every_option_is_explained(path):
    text = explain.option(path)
    assert text.startswith(path)
    assert len(text.split("\n\n", 1)[1]) > 20


@pytest.mark.parametrize("option", [option for option in KNOWN.values() if option.path[0] in ("training", "evaluation")
                                    and option.inner is None], ids=lambda option: ".".join(map(str, option.path)))
def test_every_number_has_bounds_that_are_told(option):
    text = explain.option(".".join(map(str, option.path)))
    head = text.splitlines()[0]
    if "number" in head:
        assert re.search(r"from [\d,]+ to [\d,]+|above \d+ and at most|at least [\d.]+ and below", head)


def test_an_option_tells_what_it_is_its_range_its_default_and_what_to_try():
    text = explain.option("training.learning_rate")
    assert text.startswith("training.learning_rate: a number above 0 and at most 1, default 0.0002\n")
    assert "steps" in text
    assert "`lora`: 1e-4 to 5e-4" in text


def test_an_option_of_a_starred_file_says_whose_it_is():
    assert explain.option("adapter.rank").startswith("adapter.rank (adapter: lora): a whole number")


def test_a_choice_lists_what_there_is():
    text = explain.option("adapter")
    assert all(f"\n  {name}:" in text for name in catalog.names("adapter"))
    assert explain.option("adapter.type") == text


def test_metrics_are_listed():
    text = explain.option("evaluation.metric")
    assert all(f"\n  {name}" in text for name in catalog.names("metric"))


@pytest.mark.parametrize(("name", "remedy"), [
    ("training.lerning_rate", "use `training.learning_rate`"), ("learning_rate", "use `training.learning_rate`"),
    ("rank", "use `adapter.rank`"), ("zzz", f"use one of: {', '.join(SECTIONS)}"),
    ("training.learning_rate.x", f"use one of: {', '.join(SECTIONS)}"),
])
def test_an_unknown_option_is_refused_with_the_nearest(name, remedy):
    with pytest.raises(Misuse) as caught:
        explain.option(name)
    assert caught.value.remedy == remedy


def test_a_recipe_is_explained_a_line_an_option(tmp_path):
    path = tmp_path / "orders.yaml"
    path.write_text("base: x\ntask: chat\ndata: {train: a.jsonl}\n")
    lines = [re.split(r"\s{2,}", line) for line in explain.recipe(path, ["training.seed=3"]).splitlines()]
    assert ["training.seed", "3", "command line: `training.seed=3`"] in lines
    assert ["task.type", '"chat"', f"{path}:2"] in lines
    assert ["training.clip", "1.0", "default"] in lines


def test_the_schema_knows_every_option_and_every_choice():
    found = schema()
    assert set(found["properties"]) == set(SECTIONS)
    assert found["required"] == ["base", "task", "data"]
    assert found["additionalProperties"] is False
    adapters = {form["properties"]["type"]["const"]: form for form in found["properties"]["adapter"]["anyOf"]
                if "const" in form.get("properties", {}).get("type", {})}
    assert set(adapters) == set(catalog.names("adapter"))
    assert adapters["lora"]["properties"]["rank"]["description"].startswith("Width of the bottleneck")
    assert found["$defs"]["Training"]["properties"]["learning_rate"]["maximum"] == 1


def test_every_reference_of_the_schema_leads_somewhere():
    found = schema()
    assert {name.removeprefix("#/$defs/") for name in re.findall(r"#/\$defs/\w+", str(found))} <= set(found["$defs"])


@pytest.mark.parametrize(("field", "words"), [
    ({"type": "number", "exclusiveMinimum": 0}, "a number above 0"),
    ({"type": "integer", "minimum": 1, "maximum": 1000}, "a whole number from 1 to 1,000"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "a whole number or null"),
    ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
    ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "a list of number, number"),
    ({"type": "boolean"}, "true or false"),
])
def test_a_range_is_told_in_words(field, words):
    assert describe(field) == words
