"""Of a recipe with several tasks, the one that some rows are for; of any other its one task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Misuse
from ..recipe import Section
from ..recipe.sources import MAIN

if TYPE_CHECKING:
    from ..recipe.sections import Recipe


SEVERAL = "several"


def parts(recipe: Recipe) -> dict[str, Section]:
    """The tasks by the names of their parts; empty where there is one task for all."""
    return dict(recipe.task.settings.parts) if recipe.task.type == SEVERAL else {}


def of_entry(recipe: Recipe, name: str) -> str:
    """The part that measures an entry of `evaluation.also`: that of its name, else the training file's."""
    return name if name in parts(recipe) else MAIN


def task(recipe: Recipe, part: str = MAIN) -> Section:
    """The task of the part of that name, by default of the training file's rows. Raises Misuse for an unknown part."""
    known = parts(recipe)
    if not known:
        return recipe.task
    if part not in known:
        raise Misuse("task.parts", f"there is no part `{part}`", "task.parts", f"use one of: {', '.join(known)}")
    return known[part]
