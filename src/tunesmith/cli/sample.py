"""Draw rows that are worth looking at or labelling: far apart, of every kind, or at random.

`--by diverse` draws rows whose texts are far apart, `strata` some of every value of a column (by default the
label's), `random` any. Exact copies are drawn once, and the same rows whatever the order of the files. Every row keeps
its columns and says in `from_row` where it stood. A row that cannot be read is told, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE, FAILED
from . import _arguments, _findings
from ._output import BOLD, Screen
from ._progress import watching

WAYS = ("diverse", "strata", "random")
SHOWN = 20


def add(parser: argparse.ArgumentParser) -> None:
    """Take data files, how many rows, which, and where to write."""
    parser.add_argument("data", metavar="DATA", nargs="+", help="files, folders or globs of rows")
    parser.add_argument("--rows", metavar="N", type=_arguments.count, default=200,
                        help="how many rows to draw (default 200)")
    parser.add_argument("--output", metavar="SAMPLE", required=True, help="the file to write, such as sample.jsonl")
    parser.add_argument("--by", choices=WAYS, default="diverse", help="which rows (default diverse)")
    parser.add_argument("--column", metavar="NAME", help="of strata, the column (default: the label's)")
    parser.add_argument("--equal", action="store_true", help="of strata, as many rows of each, not in proportion")
    parser.add_argument("--seed", metavar="N", type=_arguments.count, default=0, help="another draw (default 0)")
    parser.add_argument("--with", metavar="RUN_OR_BASE", dest="model",
                        help="of diverse, the model that says how far apart rows are (default: their spelling)")


def run(arguments: argparse.Namespace) -> int:
    """Draw, and say of what."""
    from ..workflow.labelling.drawing import sample

    screen: Screen = arguments.screen
    with watching(screen) as observe:
        found = sample(
            arguments.data, Path(arguments.output), arguments.rows, arguments.by, seed=arguments.seed,
            column=arguments.column, equal=arguments.equal, model=arguments.model, observe=observe)
    wrong = any(finding.severity == "error" for finding in found.findings)
    if screen.as_json:
        screen.answer({**found.as_json(), "output": arguments.output})
        return FAILED if wrong else DONE
    _findings.show(found.findings, screen.tell)
    screen.say(f"drawn     {len(found.drawn)} of {found.rows:,} rows")
    if found.coverage is not None:
        screen.say(f"coverage  {found.coverage:.3f}: the mean distance of {found.compared:,} rows to the nearest drawn "
                   f"one; of as many random rows {found.random:.3f}")
    for name, (rows, drawn) in list(found.strata.items())[:SHOWN]:
        screen.say(f"{found.column:<9} {name}: {drawn} of {rows:,}")
    if len(found.strata) > SHOWN:
        screen.say(f"          and {len(found.strata) - SHOWN} more values")
    screen.say(f"wrote     {arguments.output}", BOLD)
    return FAILED if wrong else DONE
