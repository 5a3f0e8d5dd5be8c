"""Tune the base on the recipe's data and give the verdict.

`--resume RUN` goes on with a run; `--resume auto` with the newest unfinished run of this recipe, or starts one: what
a scheduler that restarts a job wants. Exit code 75: stopped on request, and can go on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DONE, TRY_AGAIN, Misuse
from . import _arguments
from ._progress import watching

if TYPE_CHECKING:
    from ..workflow.train import Outcome
    from ._progress import Observe

AUTO = "auto"


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe and overrides, or a run to go on with."""
    _arguments.recipe(parser, optional=True)
    parser.add_argument("--resume", metavar="RUN", help="a run's folder to go on with, or `auto`")


def run(arguments: argparse.Namespace) -> int:
    """Train, watched; then show where the run is and what it is worth."""
    screen = arguments.screen
    if not arguments.recipe and arguments.resume in (None, AUTO):
        raise Misuse("command.no_recipe", "no recipe was named", "`tunesmith train`",
                     "name a recipe, or a run with `--resume RUN`")
    with watching(screen) as observe:
        outcome = _train(arguments, observe)
    if screen.as_json:
        screen.answer(outcome.as_json())
    else:
        for line in _told(outcome):
            screen.say(line)
    return TRY_AGAIN if outcome.stopped == "signal" else DONE


def _train(arguments: argparse.Namespace, observe: Observe) -> Outcome:
    from ..recipe.read import read
    from ..workflow import train, unfinished

    if not arguments.recipe:
        return train.resume(Path(arguments.resume), observe=observe)
    recipe = read(Path(arguments.recipe), arguments.overrides)
    if arguments.resume == AUTO:
        return train.train(recipe, resume=unfinished.newest(recipe), observe=observe)
    return train.train(recipe, resume=Path(arguments.resume) if arguments.resume else None, observe=observe)


def _told(outcome: Outcome) -> list[str]:
    facts = outcome.as_json()
    lines = [f"run      {facts['run']}"]
    if facts["verdict"]:
        lines.append(f"verdict  {facts['verdict']}   (tunesmith evaluate {facts['run']})")
    if outcome.stopped == "signal":
        return [*lines, f"stopped after step {facts['step']}; go on with: tunesmith train --resume {facts['run']}"]
    return [*lines, f"speak    tunesmith chat {facts['run']}"]
