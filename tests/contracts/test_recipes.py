"""Every recipe that is shipped can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.recipe.read import read

PROJECT = Path(__file__).resolve().parents[2]
SHIPPED = sorted([*PROJECT.glob("examples/*/*.yaml"), *PROJECT.glob("recipes/**/*.yaml")])


def test_there_are_shipped_recipes():
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_a_shipped_recipe_is_read_without_a_mistake(path):
    assert read(path).task.type
