"""Runs that were begun and can go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Problem, Problems
from ...runs.folder import Run, list_runs, status

if TYPE_CHECKING:
    from ...recipe.sections import Recipe


def newest(recipe: Recipe) -> Path | None:
    """The folder of the unfinished run of just this recipe that was begun last, or None.

    Of runs that were begun on the same day, the one that came furthest: clocks are not trusted further than that.
    """
    begun = [run for run in list_runs(Path(recipe.run.folder)) if not status(run).finished and _of(run, recipe)]
    return max(begun, key=lambda run: (run.name[:10], status(run).steps)).path if begun else None


def _of(run: Run, recipe: Recipe) -> bool:
    from ...recipe import digest
    from ...recipe.read import read

    try:
        theirs = read(run.recipe_file)
    except (Problem, Problems):
        return False  # a recipe that does not read today is not this one
    return theirs.run.name == recipe.run.name and digest(theirs) == digest(recipe)
