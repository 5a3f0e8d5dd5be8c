"""Tell what an option or a kind of problem means, or where each value of a recipe comes from.

`tunesmith explain training.learning_rate`: what it is, its range, what to try. `tunesmith explain template.prefix`:
what it says, why it matters, what to do. `tunesmith explain RECIPE`: the recipe as it will be used, and whether a
value stands in the file, was overridden, or is the default.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..catalog import nearest
from ..errors import DONE, Misuse
from . import _arguments
from ._output import Screen


def add(parser: argparse.ArgumentParser) -> None:
    """Take an option's path or a recipe, and overrides."""
    parser.add_argument("subject", metavar="OPTION|KIND|RECIPE",
                        help="such as training.learning_rate, template.prefix, or a recipe file")
    _arguments.overrides(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain one option, one kind, or a whole recipe."""
    subject = Path(arguments.subject)
    if subject.suffix in (".yaml", ".yml") or subject.is_file():
        return _recipe(subject, arguments.overrides, arguments.screen)
    return _name(arguments.subject, arguments.screen)


def _name(name: str, screen: Screen) -> int:
    """An option, a kind of problem, or (`training.max_length`) both."""
    from .. import kinds
    from ..recipe.explain import option

    facts: dict[str, str] = {}
    if name in kinds.names():
        facts = {"kind": name, "text": kinds.explain(name)}
    try:
        facts = {"option": name, **facts, "text": "\n\n".join([option(name), *filter(None, [facts.get("text")])])}
    except Misuse as unknown:
        if not facts:
            near = nearest(name, kinds.names())
            raise Misuse(unknown.kind, f"there is no option and no kind of problem `{name}`", name,
                         f"use `{near}`" if near and "use `" not in unknown.remedy else unknown.remedy) from unknown
    if screen.as_json:
        screen.answer(facts)
    screen.say(facts["text"])
    return DONE


def _recipe(path: Path, overrides: list[str], screen: Screen) -> int:
    from ..recipe.explain import recipe
    from ..recipe.origins import origins

    if screen.as_json:
        found = origins(path, overrides)
        screen.answer({name: {"value": each.value, "origin": each.origin} for name, each in found.items()})
    screen.say(recipe(path, overrides))
    return DONE
