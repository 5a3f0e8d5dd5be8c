"""Check recipe, data and mask before anything is trained.

Reads everything, proves the mask for every row, looks the rows over, changes nothing. `--html FILE` writes all that
was found as a page as well, with more rows and with figures. Exit code 3 where a finding is an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DONE, REFUSED
from . import _arguments, _findings, _problems
from ._output import BOLD, GREEN, RED, Screen

if TYPE_CHECKING:
    from ..workflow.checking.check import CheckReport


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe and overrides, and where to write a page."""
    _arguments.recipe(parser)
    parser.add_argument("--html", metavar="FILE", help="write a page to look at as well")


def run(arguments: argparse.Namespace) -> int:
    """Show what was found, what is supervised and how the rows are split."""
    from ..recipe.read import read
    from ..workflow.checking import check_page
    from ..workflow.checking.check import check

    screen: Screen = arguments.screen
    report = check(read(Path(arguments.recipe), arguments.overrides))
    if arguments.html:
        check_page.write(report, Path(arguments.recipe).name, Path(arguments.html))
    if screen.as_json:
        screen.answer(report.as_json() | ({"page": arguments.html} if arguments.html else {}))
        return DONE if report.ok else REFUSED
    _findings.show(report.findings, screen.say, looked=report.looked, width=screen.width)
    _problems.why([finding.kind for finding in report.findings if finding.severity != "note"], screen.say)
    _amounts(report, screen)
    screen.say("found       " + (_findings.counted(report.findings) or "nothing to tell"))
    if arguments.html:
        screen.say(f"page        {arguments.html}")
    elif any(each.figures for each in report.looked.values()):
        screen.say("page        `--html FILE` writes all rows that were found, and figures")
    if report.ok:
        screen.say("ok: this recipe can be trained", GREEN)
        return DONE
    screen.say("refused: set the errors above right first", RED)
    return REFUSED


def _amounts(report: CheckReport, screen: Screen) -> None:
    screen.say("rows        " + "   ".join(f"{side} {number}" for side, number in report.rows.items()), BOLD)
    split = report.split
    aside = f"; {split['set_aside']} rows on no side" if split["set_aside"] else ""
    screen.say("groups      " + "   ".join(f"{side} {number}" for side, number in split["groups"].items())
               + f"; the largest of {split['largest']} rows{aside}")
    screen.say("tokens      " + "   ".join(f"{side} {amount['tokens']}" for side, amount in report.amounts.items()))
    for name, source in report.sources.items():
        screen.say(f"source      {name}: {source['share']:.4g} of the rows trained on, {source['taken']:,} taken of "
                   f"{source['rows']:,}, each {source['times']:.2g} times")
    for name, rows in report.also.items():
        screen.say(f"elsewhere   {name}: {rows} rows measured")
    supervised = report.supervised
    roles = ", ".join(f"{role} {tokens}" for role, tokens in supervised["by_role"].items())
    screen.say(f"supervised  {supervised['tokens']} tokens, a share of {supervised['share']:.3f} ({roles or 'none'})")
    screen.say(f"documents   {report.layout}; training asks the network itself")
