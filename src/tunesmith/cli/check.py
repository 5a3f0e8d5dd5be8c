"""Check recipe, data and mask before anything is trained.

Reads everything, proves the mask for every row, changes nothing. Exit code 3 where a finding is an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE, REFUSED
from . import _arguments, _findings, _problems
from ._output import BOLD, GREEN, RED


def add(parser: argparse.ArgumentParser) -> None:
    """Take a recipe and overrides."""
    _arguments.recipe(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what was found, what is supervised and how the rows are split."""
    from ..recipe.read import read
    from ..workflow.check import check

    screen = arguments.screen
    report = check(read(Path(arguments.recipe), arguments.overrides))
    if screen.as_json:
        screen.answer(report.as_json())
        return DONE if report.ok else REFUSED
    _findings.show(report.findings, screen.say)
    _problems.why([finding.kind for finding in report.findings if finding.severity != "note"], screen.say)
    screen.say("rows        " + "   ".join(f"{side} {number}" for side, number in report.rows.items()), BOLD)
    for name, source in report.sources.items():
        screen.say(f"source      {name}: {source['share']:.4g} of the rows trained on, {source['taken']:,} taken of "
                   f"{source['rows']:,}")
    for name, rows in report.also.items():
        screen.say(f"elsewhere   {name}: {rows} rows measured")
    supervised = report.supervised
    roles = ", ".join(f"{role} {tokens}" for role, tokens in supervised["by_role"].items())
    screen.say(f"supervised  {supervised['tokens']} tokens, a share of {supervised['share']:.3f} ({roles or 'none'})")
    screen.say(f"documents   {report.layout}; training asks the network itself")
    if report.ok:
        screen.say("ok: this recipe can be trained", GREEN)
        return DONE
    screen.say("refused: set the errors above right first", RED)
    return REFUSED
