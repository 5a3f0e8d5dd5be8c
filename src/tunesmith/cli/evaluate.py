"""Judge a run on its held-out rows, against its base.

Better or worse: the 95% interval of the paired difference is clear of zero. Otherwise: not proven, with the number
of rows that would have been enough.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE
from ..records import Measured, Verdict
from . import _findings
from ._output import BOLD, GREEN, RED, YELLOW, Screen
from ._progress import watching

MANY = 1000
NEW_LINE = "\n"
SIDE_BY_SIDE = ("where", "prompt", "reference", "against", "tuned")
STYLES = {"better": GREEN, "worse": RED, "not proven": YELLOW, "kept": GREEN}


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run."""
    parser.add_argument("run", metavar="RUN", help="a run's folder")


def run(arguments: argparse.Namespace) -> int:
    """Measure base and tuned, and show both."""
    from ..evaluation.verdict import as_json
    from ..workflow.verdict.judge import evaluate

    screen: Screen = arguments.screen
    with watching(screen) as observe:
        verdict = evaluate(Path(arguments.run), observe=observe)
    if screen.as_json:
        screen.answer(as_json(verdict))
    else:
        show(verdict, screen)
        screen.say()
        show_page(Path(arguments.run), screen)
    return DONE


def show(verdict: Verdict, screen: Screen, *, examples: int = MANY) -> None:
    """The word, the table of metrics, the findings, and so many answers side by side."""
    screen.say(f"verdict: {verdict.word}", f"{BOLD};{STYLES[verdict.word]}")
    if verdict.word == "not proven" and verdict.rows_needed:
        screen.say(f"about {verdict.rows_needed} rows would have been enough to tell")
    names = max(14, *(len(name) + 2 for name in verdict.metrics)), max(12, len(verdict.against) + 2)
    screen.say(f"{'metric':<{names[0]}}{verdict.against:>{names[1]}}{'tuned':>12}{'difference':>12}   95% interval")
    for name, each in sorted(verdict.metrics.items(), key=lambda pair: pair[0] != verdict.primary):
        mark = "  (decides)" if name == verdict.primary else ""
        screen.say(_measured(name, each, names) + mark)
    for name, measured in verdict.baselines.items():
        one = measured.get(verdict.primary)
        if one is not None:
            screen.say(f"against {name}: {verdict.primary} {one.against:.4f}, a difference of {one.difference:+.4f}")
    for name, other in verdict.also.items():
        screen.say(f"elsewhere, {name}: {other.word}", STYLES[other.word])
        for metric, each in other.metrics.items():
            decides = "  (decides its word)" if metric == other.primary else ""
            screen.say(_measured(metric, each, names) + decides)
    _findings.show(verdict.findings, screen.say)
    wide = max(10, len(verdict.against)) + 1
    for example in verdict.examples[:examples]:
        screen.say()
        for name in SIDE_BY_SIDE:
            who = verdict.against if name == "against" else name
            screen.say(f"{who:<{wide}}{example[name].replace(NEW_LINE, NEW_LINE + ' ' * wide)}")


def _measured(name: str, each: Measured, wide: tuple[int, int]) -> str:
    """A line of the table; wide: of the column of names and of that of the other side."""
    return (f"{name:<{wide[0]}}{each.against:>{wide[1]}.4f}{each.tuned:>12.4f}{each.difference:>+12.4f}   "
            f"{each.low:+.4f} … {each.high:+.4f}   {each.rows} rows in {each.groups} groups")


def show_page(run: Path, screen: Screen) -> None:
    """Where the verdict's page is."""
    from ..runs.folder import Run

    screen.say(f"report   {Run(run).page_file}")
