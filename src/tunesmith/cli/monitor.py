"""Hold what a served run saw against what it was trained on, and draw the rows most worth labelling.

Lengths, words, languages, wording, labels, how sure the model is, and, where rows stand before the window, seconds,
errors and judgements: tests whose alarms together are false at most as often as `--alarm` says, if rows are
independent. Exit code 3 where there is an alarm. What is kept, and how long, `monitoring` of the run's recipe says.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DONE, REFUSED, Misuse
from . import _arguments, _findings
from ._output import BOLD, GREEN, RED, Screen

if TYPE_CHECKING:
    from ..workflow.monitoring.monitor import Report

LEAST_RATE = 0.0001


def add(parser: argparse.ArgumentParser) -> None:
    """Take a run, which window of which log, and what to write."""
    parser.add_argument("run", metavar="RUN", help="a run's folder")
    parser.add_argument("--log", metavar="FILE", help="what the server wrote (default: seen.sqlite in the run)")
    parser.add_argument("--model", metavar="NAME", default="", help="whose rows, where the log has those of several")
    parser.add_argument("--since", metavar="TIME", help="the window: rows from this date or time on (2026-11-21)")
    parser.add_argument("--last", metavar="N", type=_arguments.count, help="the window: so many of the newest rows")
    parser.add_argument("--alarm", metavar="RATE", type=_rate, default=0.05,
                        help="how often an alarm may be false, all tests together (default 0.05)")
    parser.add_argument("--html", metavar="FILE", help="write a page to look at as well")
    parser.add_argument("--harvest", metavar="FILE", help="write the rows most worth labelling, such as harvest.jsonl")
    parser.add_argument("--rows", metavar="N", type=_arguments.count, default=200,
                        help="of harvest, how many rows (default 200)")


def run(arguments: argparse.Namespace) -> int:
    """Look, tell, and write what was asked for."""
    from ..workflow.monitoring import monitor

    screen: Screen = arguments.screen
    if arguments.last == 0:
        raise Misuse("monitoring.last", "a window of 0 rows holds nothing", "--last", "name 500 or so")
    looked = monitor.look(
        Path(arguments.run), log=Path(arguments.log) if arguments.log else None, model=arguments.model,
        since=arguments.since, last=arguments.last)
    found = monitor.report(looked, rate=arguments.alarm, harvested=arguments.harvest or "")
    drawn = monitor.harvest(looked, Path(arguments.harvest), arguments.rows) if arguments.harvest else None
    if arguments.html:
        monitor.write(found, Path(arguments.html))
    code = REFUSED if found.drift.alarm else DONE
    if screen.as_json:
        screen.answer(found.as_json() | ({"page": arguments.html} if arguments.html else {}) | (
            {"harvest": {"file": arguments.harvest, **drawn}} if drawn is not None else {}))
        return code
    _tell(found, screen)
    if drawn is not None:
        told = ", ".join(f"{rows} {why}" for why, rows in drawn.items() if why != "rows")
        screen.say(f"harvest     {arguments.harvest}: {drawn['rows']} rows" + (f" ({told})" if told else ""), BOLD)
        if drawn["rows"]:
            words = f"{arguments.harvest} --with {arguments.run} --output labelled.jsonl"
            screen.say(f"next        tunesmith label {words}")
    if arguments.html:
        screen.say(f"page        {arguments.html}")
    if found.drift.alarm:
        screen.say("drift: this window is not what the run was trained on, or served before", RED)
    elif found.drift.tests:
        screen.say("no drift was found", GREEN)
    else:
        screen.say("nothing could be compared")
    return code


def _tell(found: Report, screen: Screen) -> None:
    from ..pages.numbers import moment

    facts = found.facts
    screen.say(f"window      {facts['rows']:,} rows, {moment(facts['from'])} to {moment(facts['to'])}", BOLD)
    screen.say(f"reference   {facts['reference_rows']:,} rows, {facts['reference_held_out']:,} of them held out")
    screen.say(f"answers     {facts['errors']:,} errors; {facts['judged']:,} judged, {facts['bad']:,} of them bad")
    screen.say()
    screen.say(f"{'test':<13}{'effect':>9}  {'':<32}{'p':>8}{'all':>8}")
    for each in found.drift.tests:
        told = each.as_json()
        screen.say(f"{each.name:<13}{each.effect:>9.3g}  {told['effect_is']:<32}{each.p:>8.2g}{each.adjusted:>8.2g}"
                   + ("  alarm" if each.alarm else ""), RED if each.alarm else "")
    for name, why in found.drift.left_out.items():
        screen.say(f"{name:<13}not made: {why}")
    screen.say()
    _findings.show(found.findings, screen.say, width=screen.width)


def _rate(word: str) -> float:
    """A false-alarm rate, for argparse's `type`."""
    try:
        rate = float(word)
    except ValueError:
        rate = -1.0
    if not LEAST_RATE <= rate < 1:
        raise argparse.ArgumentTypeError(f"`{word}` is no rate: from {LEAST_RATE} to below 1")
    return rate
