"""List the runs of a folder: task, base, steps, verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DONE, Misuse
from ._output import BOLD, Screen

if TYPE_CHECKING:
    from ..runs.folder import Run

COLUMNS = ("run", "task", "base", "steps", "verdict")


def add(parser: argparse.ArgumentParser) -> None:
    """Take a folder."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="where runs lie (default: runs)")


def run(arguments: argparse.Namespace) -> int:
    """Show a line for each run."""
    from ..runs.folder import list_runs

    screen: Screen = arguments.screen
    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise Misuse("file.unreadable", "there is no such folder", str(folder), "name the folder that holds the runs")
    listed = [_facts(run) for run in list_runs(folder)]
    if screen.as_json:
        screen.answer(listed)
        return DONE
    rows = [COLUMNS, *(tuple(_shown(facts, name) for name in COLUMNS) for facts in listed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        screen.say(line.rstrip(), "" if number else BOLD)
    return DONE


def _shown(facts: dict[str, Any], name: str) -> str:
    return "unfinished" if name == "verdict" and not facts["finished"] else str(facts[name] or "–")


def _facts(run: Run) -> dict[str, Any]:
    """One run under the names that `--json` promises. Its recipe is only looked at: an older one may not validate."""
    from ruamel.yaml import YAML

    from ..runs.folder import status

    recipe = YAML(typ="safe", pure=True).load(run.recipe_file)
    reached = status(run)
    return {"run": str(run.path), "task": recipe["task"]["type"], "base": recipe["base"]["name"],
            "steps": reached.steps, "finished": reached.finished, "verdict": reached.verdict}
