"""Show examples as the model will see them, supervised tokens marked.

Supervised tokens are coloured on a terminal and stand in ⟦brackets⟧ in a pipe. `--row FILE:LINE` shows every stage
of one row, from the file to the tokens. `--html FILE` writes a page instead, with lengths, shares, findings, and
rows of every side and file, the odd ones among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DONE
from . import _arguments
from ._output import BOLD, DIM, GREEN, Screen

if TYPE_CHECKING:
    from ..recipe.sections import Recipe

ROWS = 8
OPENS, CLOSES = "⟦", "⟧"


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe, overrides, how many rows, or one row."""
    _arguments.recipe(parser)
    parser.add_argument("--rows", metavar="N", type=_arguments.count,
                        help="how many rows to show (default 8, on a page 40)")
    parser.add_argument("--row", metavar="FILE:LINE", help="every stage of this one row")
    parser.add_argument("--html", metavar="FILE", help="write a page to look at, and show nothing here")


def run(arguments: argparse.Namespace) -> int:
    """Show the rows, or the stages of one."""
    from ..recipe.read import read
    from ..workflow.checking.preview import preview, stages

    screen: Screen = arguments.screen
    recipe = read(Path(arguments.recipe), arguments.overrides)
    if arguments.html:
        return _write(recipe, arguments, screen)
    if arguments.row and not screen.as_json:
        for name, text in stages(recipe, arguments.row):
            screen.say(name, BOLD)
            screen.say(text + "\n")
    shown = preview(recipe, rows=ROWS if arguments.rows is None else arguments.rows, row=arguments.row)
    if screen.as_json:
        screen.answer(shown)
    for each in shown:
        _show(each, screen)
    if not shown:
        screen.tell(f"no row can be shown: `tunesmith check {arguments.recipe}` says why")
    return DONE


def _write(recipe: Recipe, arguments: argparse.Namespace, screen: Screen) -> int:
    from ..workflow.checking import preview_page

    told = preview_page.write(recipe, Path(arguments.recipe).name, Path(arguments.html), rows=arguments.rows,
                              row=arguments.row)
    if screen.as_json:
        screen.answer(told)
    screen.say(f"page     {told['page']}")
    return DONE


def _show(document: Mapping[str, Any], screen: Screen) -> None:
    supervised = sum(token["supervised"] for token in document["tokens"])
    side = ", ".join(filter(None, (document["side"], document.get("source"))))
    head = f"{document['where']} ({side}): {len(document['tokens'])} tokens, {supervised} supervised"
    screen.say(head, BOLD)
    for learnt, tokens in groupby(document["tokens"], key=lambda token: bool(token["supervised"])):
        text = "".join(token["text"] for token in tokens)
        if screen.colours:
            screen.write(text, GREEN if learnt else DIM)
        else:
            screen.write(f"{OPENS}{text}{CLOSES}" if learnt else text)
    screen.say("\n")
