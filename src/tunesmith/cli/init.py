"""Write a short recipe for files of examples.

Recognises what the files hold, picks the task and a base that fit, and prints the next command.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DONE
from . import _arguments, _findings
from ._output import BOLD, Screen


def add(parser: argparse.ArgumentParser) -> None:
    """Take data files, where to write, and a base."""
    parser.add_argument("data", metavar="DATA", nargs="+", help="files, folders or globs of examples")
    parser.add_argument("--output", metavar="RECIPE", required=True, help="the recipe to write, such as orders.yaml")
    parser.add_argument("--column", metavar="FIELD=NAME", dest="columns", type=_arguments.column, action="append",
                        default=[], help="which column is which, where the names are foreign: prompt=Frage, "
                        "answer=Antwort")
    parser.add_argument("--base", metavar="B", help="what to start from (default: the starter that fits)")


def run(arguments: argparse.Namespace) -> int:
    """Write the recipe and say what to do next."""
    from ..workflow.start import init

    screen: Screen = arguments.screen
    started = init(arguments.data, Path(arguments.output), arguments.base, columns=dict(arguments.columns))
    if screen.as_json:
        screen.answer(started.as_json())
        return DONE
    _findings.show(started.findings, screen.tell)
    screen.say(f"recognised  {len(started.loaded.examples)} examples of the format {started.loaded.format}")
    screen.say(f"wrote       {started.recipe}: {started.task} on {started.base}")
    screen.say(f"next        {started.next}", BOLD)
    return DONE
