"""A run that is served, watched: its log, as its recipe wants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..recipe import read
from ..runs import folder

if TYPE_CHECKING:
    from ..monitoring.log import Log


def log_of(path: Path, file: Path | None = None) -> Log | None:
    """The open log of a run, in its folder or in another file; None where the recipe keeps nothing.

    Raises Misuse for a file that is no log, Failure where it cannot be made.
    """
    from ..monitoring.log import open_log

    run = folder.open_run(path)
    recipe = read.read(run.recipe_file)
    if recipe.monitoring.keep == "nothing":
        return None
    return open_log(file or run.seen_file, recipe.monitoring)
