"""Clean rows: into a new file, with a ledger of every row that was changed or dropped, and why.

`tunesmith clean orders.jsonl --output clean.jsonl --steps html,whitespace,quality quality.words=3`. The rows keep all
their columns; only texts are written anew, never a label, a role or a tool's call. Running it again on its own output
changes nothing. The exit code is 1 where rows could not be read; they stand in the ledger as dropped.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog import names
from ..errors import DONE, FAILED, Misuse
from ..reading.quoting import listed
from . import _findings
from ._output import BOLD, DIM, GREEN, Screen

if TYPE_CHECKING:
    from ..cleaning.examples import Shown
    from ..cleaning.run import Report

_OPTION = re.compile(r"[a-z][\w.]*\.[a-z]\w*=")


def add(parser: argparse.ArgumentParser) -> None:
    """Take files, steps with their options, and where to write."""
    parser.add_argument("data", metavar="DATA", nargs="+", help="files, folders or globs of rows, and `STEP.option=…`")
    parser.add_argument("--output", metavar="FILE", help="where to write rows, a name ending in .jsonl; the ledger "
                        "stands beside it as .ledger.jsonl")
    parser.add_argument("--steps", metavar="A,B", help=f"in this order, of: {', '.join(names('clean'))} "
                        "(default: those that are safe for any rows)")
    parser.add_argument("--columns", metavar="A,B", help="the columns whose texts are cleaned (default: the format's)")
    parser.add_argument("--format", metavar="NAME", help=f"one of: {', '.join(names('format'))} (default: recognised)")
    parser.add_argument("--dry-run", action="store_true", help="show what would happen, and write nothing")
    parser.add_argument("--ray", metavar="ADDRESS", help="clean on Ray Data (extra `ray`): `local`, `local:2` for two "
                        "processes, or a cluster's HOST:PORT")
    parser.add_argument("--overwrite", action="store_true", help="replace the output where there is one")


def run(arguments: argparse.Namespace) -> int:
    """Clean, or show what cleaning would do."""
    from ..cleaning.examples import rehearse
    from ..cleaning.ray import on_ray
    from ..cleaning.run import clean
    from ..cleaning.wish import Wish

    screen: Screen = arguments.screen
    wish = Wish([word for word in arguments.data if not _is_option(word)], _listed(arguments.steps),
                [word for word in arguments.data if _is_option(word)], _listed(arguments.columns), arguments.format)
    examples: Sequence[Shown] = ()
    if arguments.dry_run:
        report, examples = rehearse(wish)
    elif arguments.output:
        settle = on_ray(arguments.ray) if arguments.ray is not None else None
        report = clean(wish, Path(arguments.output), overwrite=arguments.overwrite, settle=settle)
    else:
        raise Misuse("clean.no_output", "nothing says where to write the rows", "--output",
                     "name a file with `--output`, or look first with `--dry-run`")
    lost = any(finding.severity == "error" for finding in report.findings)
    if screen.as_json:
        screen.answer({**report.as_json(), "examples": [one.as_json() for one in examples]})
    else:
        _show(report, examples, screen)
    return FAILED if lost else DONE


def _is_option(word: str) -> bool:
    return bool(_OPTION.match(word)) and not Path(word).exists()


def _listed(words: str | None) -> list[str]:
    return [word.strip() for word in (words or "").split(",") if word.strip()]


def _show(report: Report, examples: Sequence[Shown], screen: Screen) -> None:
    """The findings, then what became of the rows."""
    tally = report.tally
    _findings.show(report.findings, screen.tell)
    for one in examples:
        screen.say(f"{one.where}  {one.what} by {', '.join(one.steps)}", DIM)
        screen.say(f"  - {one.before}")
        if one.what != "dropped":
            screen.say(f"  + {one.after}")
        else:
            screen.say(f"    {one.why}")
    by_default = "" if report.chosen else "   (the default: what is safe for any rows; `--steps` names others)"
    screen.say(f"steps    {', '.join(report.steps) or 'none'}{by_default}")
    kept = f"; as they are: {listed(report.kept)}" if report.kept else ""
    screen.say(f"texts    {listed(report.cleaned) or 'none is written anew'} ({report.format or 'of no format'}){kept}")
    made = f" + {tally.made:,} made by cutting" if tally.made else ""
    screen.say(f"rows     {tally.came:,} in{made} = {tally.kept:,} out + {tally.dropped.total():,} dropped", BOLD)
    for name, count in tally.dropped.most_common():
        screen.say(f"dropped  {count:,} by {name}")
    changed = ", ".join(f"{name} {count:,}" for name, count in tally.changed.most_common())
    screen.say(f"changed  {tally.touched:,}{f' ({changed})' if changed else ''}")
    if not report.output:
        screen.say("nothing was written: leave `--dry-run` out, and name a file with `--output`")
        return
    screen.say(f"ledger   {report.ledger}")
    screen.say(f"written  {report.output}", GREEN)
