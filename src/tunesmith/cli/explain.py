"""Tell what an option means, or where each value of a recipe comes from.

`tunesmith explain training.learning_rate`: what it is, its range, what to try. `tunesmith explain RECIPE`: the recipe
as it will be used, and whether a value stands in the file, was overridden, or is the default.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE
from . import _arguments
from ._output import Screen


def add(parser: argparse.ArgumentParser) -> None:
    """Take an option's path or a recipe, and overrides."""
    parser.add_argument("subject", metavar="OPTION|RECIPE", help="such as training.learning_rate, or a recipe file")
    _arguments.overrides(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain one option or a whole recipe."""
    subject = Path(arguments.subject)
    if subject.suffix in (".yaml", ".yml") or subject.is_file():
        return _recipe(subject, arguments.overrides, arguments.screen)
    return _option(arguments.subject, arguments.screen)


def _option(name: str, screen: Screen) -> int:
    from ..recipe.explain import option

    text = option(name)
    if screen.as_json:
        screen.answer({"option": name, "text": text})
    screen.say(text)
    return DONE


def _recipe(path: Path, overrides: list[str], screen: Screen) -> int:
    from ..recipe.explain import recipe
    from ..recipe.origins import origins

    if screen.as_json:
        found = origins(path, overrides)
        screen.answer({name: {"value": each.value, "origin": each.origin} for name, each in found.items()})
    screen.say(recipe(path, overrides))
    return DONE
