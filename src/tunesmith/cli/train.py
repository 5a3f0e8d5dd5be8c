"""Tune the base on the recipe's data and give the verdict.

`--resume RUN` goes on with a run; `--resume auto` with the newest unfinished run of this recipe, or starts one: what
a scheduler that restarts a job wants. Exit code 75: stopped on request, and can go on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DONE, TRY_AGAIN, Misuse
from . import _arguments, evaluate
from ._output import Screen
from ._progress import watching

if TYPE_CHECKING:
    from ..workflow.tuning.train import Outcome
    from ._progress import Observe

AUTO = "auto"
ANSWERS = 2  # base beside tuned; `tunesmith evaluate` shows all


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe and overrides, or a run to go on with."""
    _arguments.recipe(parser, optional=True)
    parser.add_argument("--resume", metavar="RUN", help="a run's folder to go on with, or `auto`")


def run(arguments: argparse.Namespace) -> int:
    """Train, watched; then show where the run is and what it is worth."""
    screen: Screen = arguments.screen
    if not arguments.recipe and arguments.resume in (None, AUTO):
        raise Misuse("command.no_recipe", "no recipe was named", "`tunesmith train`",
                     "name a recipe, or a run with `--resume RUN`")
    with watching(screen) as observe:
        outcome = _train(arguments, observe)
    if screen.as_json:
        screen.answer(outcome.as_json())
    else:
        _show(outcome, screen)
    return TRY_AGAIN if outcome.stopped == "signal" else DONE


def _train(arguments: argparse.Namespace, observe: Observe) -> Outcome:
    from ..recipe.read import read
    from ..workflow.events import Said
    from ..workflow.tuning import train, unfinished

    if not arguments.recipe:
        return train.resume(Path(arguments.resume), observe=observe)
    recipe = read(Path(arguments.recipe), arguments.overrides)
    if arguments.resume == AUTO:
        found = unfinished.newest(recipe)
        observe(Said(f"going on with {found}" if found else
                     f"no unfinished run of this recipe lies in `{recipe.run.folder}`: one is begun"))
        return train.train(recipe, resume=found, observe=observe)
    return train.train(recipe, resume=Path(arguments.resume) if arguments.resume else None, observe=observe)


def _show(outcome: Outcome, screen: Screen) -> None:
    if outcome.verdict:
        evaluate.show(outcome.verdict, screen, examples=ANSWERS)
        screen.say()
    screen.say(f"run      {outcome.run}")
    if outcome.stopped == "signal":
        screen.say(f"stopped after step {outcome.step}; go on with: tunesmith train --resume {outcome.run}")
        return
    if outcome.verdict:
        evaluate.show_page(outcome.run, screen)
    screen.say(f"speak    tunesmith chat {outcome.run}" if outcome.talks else
               f"ask      tunesmith predict {outcome.run} FILE")
