"""Which run `--resume auto` goes on with."""

from __future__ import annotations

import json

import pytest

from tunesmith.recipe.read import parse
from tunesmith.recipe.write import dump
from tunesmith.workflow.tuning.unfinished import newest


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "data.jsonl").write_text("")
    return lambda **changes: parse(
        {"base": "smollm2-135m-instruct", "task": "chat", "data": {"train": str(tmp_path / "data.jsonl")},
         "run": {"folder": str(tmp_path / "runs"), "name": "orders"}, "training": changes}, source="test")


@pytest.fixture
def begun(tmp_path):
    def begin(name, recipe, *kinds):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(dump(recipe))
        lines = [json.dumps({"kind": kind, "step": number}) for number, kind in enumerate(kinds, 1)]
        (folder / "records.jsonl").write_text("".join(line + "\n" for line in lines))
        return folder

    return begin


def test_without_any_run_there_is_none(recipe):
    assert newest(recipe()) is None


def test_the_run_that_was_begun_last_goes_on(recipe, begun):
    begun("2026-11-20-orders-ffff", recipe(), "step", "step", "step")
    last = begun("2026-11-21-orders-0000", recipe(), "step")
    assert newest(recipe()) == last


def test_of_one_day_the_run_that_came_furthest_goes_on(recipe, begun):
    far = begun("2026-11-21-orders-0000", recipe(), "step", "step")
    begun("2026-11-21-orders-ffff", recipe(), "step")
    assert newest(recipe()) == far


def test_a_finished_run_is_left_alone(recipe, begun):
    begun("2026-11-21-orders-0000", recipe(), "step", "done")
    assert newest(recipe()) is None


def test_a_run_of_another_recipe_is_left_alone(recipe, begun):
    begun("2026-11-21-orders-0000", recipe(seed=1), "step")
    assert newest(recipe(seed=2)) is None


def test_a_run_whose_recipe_cannot_be_read_is_left_alone(recipe, begun):
    folder = begun("2026-11-21-orders-0000", recipe(), "step")
    (folder / "recipe.yaml").write_text("base: [\n")
    assert newest(recipe()) is None
