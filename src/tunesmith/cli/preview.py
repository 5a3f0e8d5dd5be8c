"""Show examples as the model will see them, supervised tokens marked.

Supervised tokens are coloured on a terminal and stand in ⟦brackets⟧ in a pipe. `--row FILE:LINE` shows every stage
of one row, from the file to the tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import DONE
from . import _arguments
from ._output import BOLD, DIM, GREEN, Screen

OPENS, CLOSES = "⟦", "⟧"


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe, overrides, how many rows, or one row."""
    _arguments.recipe(parser)
    parser.add_argument("--rows", metavar="N", type=int, default=8, help="how many rows to show (default 8)")
    parser.add_argument("--row", metavar="FILE:LINE", help="every stage of this one row")


def run(arguments: argparse.Namespace) -> int:
    """Show the rows, or the stages of one."""
    from ..recipe.read import read
    from ..workflow.preview import preview, stages

    screen: Screen = arguments.screen
    recipe = read(Path(arguments.recipe), arguments.overrides)
    if arguments.row and not screen.as_json:
        for name, text in stages(recipe, arguments.row):
            screen.say(name, BOLD)
            screen.say(text + "\n")
    shown = preview(recipe, rows=arguments.rows, row=arguments.row)
    if screen.as_json:
        screen.answer(shown)
    for each in shown:
        _show(each, screen)
    return DONE


def _show(document: Mapping[str, Any], screen: Screen) -> None:
    supervised = sum(token["supervised"] for token in document["tokens"])
    head = f"{document['where']} ({document['side']}): {len(document['tokens'])} tokens, {supervised} supervised"
    screen.say(head, BOLD)
    for learnt, tokens in groupby(document["tokens"], key=lambda token: bool(token["supervised"])):
        text = "".join(token["text"] for token in tokens)
        if screen.colours:
            screen.write(text, GREEN if learnt else DIM)
        else:
            screen.write(f"{OPENS}{text}{CLOSES}" if learnt else text)
    screen.say("\n")
