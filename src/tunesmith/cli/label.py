"""Label rows in the terminal: a run suggests, the least sure rows first, and a person decides.

Enter accepts what is suggested; a label's number or its first letters choose another; `s` skips, `u` undoes, `q` stops,
`?` tells the rest. Every decision is on the disk before the next row is shown: the same command goes on where it
stopped. What is written is read as training data as it is.

`tunesmith label --compare A B` says how far two people agree (Cohen's kappa), and lists where they do not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DONE, FAILED, Misuse
from ..labelling.session import HELP, KEYS
from . import _agreement, _arguments, _findings
from ._output import BOLD, Screen
from ._progress import telling

if TYPE_CHECKING:
    from ..workflow.labelling.by_hand import Ready

STDIN = "-"
Ask = Callable[[], str | None]


def add(parser: argparse.ArgumentParser) -> None:
    """Take rows, a run, labels and where to write; or two files to compare."""
    parser.add_argument("data", metavar="DATA", nargs="*", help="files, folders or globs of rows")
    parser.add_argument("--output", metavar="LABELLED", help="the file that decisions are written to; if it is there, "
                        "its rows are passed over")
    parser.add_argument("--with", metavar="RUN", dest="model", help="the run that suggests")
    parser.add_argument("--labels", metavar="A,B", help="what can be chosen, beside the run's labels; of words, the "
                        "types of entities")
    parser.add_argument("--column", metavar="FIELD=NAME", dest="columns", type=_arguments.column, action="append",
                        default=[], help="which column is which, where the names are foreign: text=Body")
    parser.add_argument("--by", metavar="WHO", default="", help="who decides: written beside every label")
    parser.add_argument("--order", choices=("uncertain", "file"), default="uncertain",
                        help="which rows come first (default: those that the run is least sure of)")
    parser.add_argument("--compare", action="store_true", help="say how far two files of labels agree; with `--output` "
                        "the rows on which they do not are written there, for a third person")
    parser.add_argument("--answers", metavar="FILE", help="take what would be typed from a file, a line for each time; "
                        "`-` reads stdin")


def run(arguments: argparse.Namespace) -> int:
    """Ask about row after row."""
    from ..workflow.labelling.by_hand import labelling

    screen: Screen = arguments.screen
    if arguments.compare:
        return _compare(arguments, screen)
    if not arguments.data or not arguments.output:
        raise Misuse("label.what", "rows and a file to write to are needed", "",
                     "`tunesmith label DATA --with RUN --output LABELLED.jsonl`")
    labels = [name.strip() for name in (arguments.labels or "").split(",") if name.strip()]
    with _asking(arguments.answers, screen) as ask, ExitStack() as stack:
        ready = stack.enter_context(labelling(
            arguments.data, Path(arguments.output), run=Path(arguments.model) if arguments.model else None,
            labels=labels, by=arguments.by, order=arguments.order, columns=dict(arguments.columns),
            observe=telling(screen)))
        try:
            _listen(ready, ask, screen)
        except KeyboardInterrupt as stopped:
            stopped.add_note(f"what was decided is in {arguments.output}; the same command goes on")
            raise
    _summary(ready, arguments.output, screen)
    return FAILED if any(finding.severity == "error" for finding in ready.found.findings) else DONE


def _compare(arguments: argparse.Namespace, screen: Screen) -> int:
    """How far two people agree, and where they do not."""
    from ..workflow.labelling.agreement import compare

    if len(arguments.data) != 2:
        raise Misuse("label.two_files", f"two files are compared, and {len(arguments.data)} were named", "--compare",
                     "`tunesmith label --compare A.jsonl B.jsonl`")
    if arguments.model or arguments.answers or arguments.labels:
        raise Misuse("label.compare", "two files are compared as they are", "--compare",
                     "leave `--with`, `--labels` and `--answers` out")
    found = compare(*arguments.data, output=Path(arguments.output) if arguments.output else None)
    code = FAILED if found.matched.findings else DONE
    if screen.as_json:
        screen.answer({**found.as_json(), "output": arguments.output})
        return code
    _findings.show(found.matched.findings, screen.tell)
    for line in _agreement.lines(found):
        screen.say(line)
    if arguments.output:
        screen.say(f"wrote      {arguments.output}: label it again, and the third person decides", BOLD)
    return code


@contextmanager
def _asking(answers: str | None, screen: Screen) -> Iterator[Ask]:
    """What gives the next line that was typed, None where there is no more."""
    if answers is None:
        if screen.as_json or not sys.stdin.isatty():
            raise Misuse("label.no_terminal", "nobody is there to label: this is no terminal" if not screen.as_json else
                         "`--json` shows no rows to anybody", "",
                         "run it in a terminal, or give what would be typed with `--answers FILE` (`-`: stdin)")
        yield _typed
        return
    with ExitStack() as stack:
        lines = sys.stdin if answers == STDIN else stack.enter_context(Path(answers).open(encoding="utf-8"))
        yield lambda: next((line.rstrip("\n") for line in lines), None)


def _typed() -> str | None:
    try:
        return input("> ")
    except EOFError:
        return None


def _listen(ready: Ready, ask: Ask, screen: Screen) -> None:
    """Show row after row until all are decided, or somebody stops."""
    session, told = ready.session, -1
    if ready.found.done:
        screen.say(f"{ready.found.done} rows are labelled already and passed over")
    if not session.finished:
        screen.say(f"{KEYS}; {HELP} tells more")
    while not session.finished:
        if session.place != told:
            told = session.place
            screen.say()
            screen.say(session.head(), BOLD)
            for line in session.body():
                screen.say(line)
        words = ask()
        if words is None:
            break
        before = session.place
        for line in session.take(words):
            screen.say(line)
        told = told if session.place == before else -1


def _summary(ready: Ready, output: str, screen: Screen) -> None:
    done, found = ready.session.as_json(), ready.found
    if screen.as_json:
        screen.answer({"rows": found.rows, **done, "copies": found.copies, "done_before": found.done, "output": output,
                       "findings": [finding.as_json() for finding in found.findings]})
        return
    screen.say()
    screen.say(f"labelled  {done['labelled']} rows: {done['accepted']} as suggested, {done['corrected']} otherwise; "
               f"{done['skipped']} skipped, {done['left']} left", BOLD)
    if found.copies:
        screen.say(f"copies    {found.copies} rows ask the same as another, which is asked once")
    screen.say(f"wrote     {output}" + ("; the same command goes on with the others" if done["left"] else ""))
