"""Problems for a person and for a program, and what is said when the program itself is wrong."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .. import __version__
from ..errors import FAILED, INTERRUPTED, REFUSED, SHOWN_IN_FULL, Failure, Misuse, Problem, Problems
from ..runs.redact import redacted
from ._output import CYAN, RED, Screen

RECIPE_LINE = re.compile(r"([^\s()`]+\.ya?ml):(\d+)")
LINE_LIMIT = 200


def told(problem: Problem | Problems, screen: Screen) -> int:
    """Show one problem or several; returns the exit code."""
    each = problem.problems if isinstance(problem, Problems) else (problem,)
    if screen.as_json:
        screen.answer({"errors": [one.as_json() for one in each]})
    for one in each[:SHOWN_IN_FULL]:
        screen.tell(f"error: {one.what}", RED)
        _source_line(one, screen)
        _part("at: ", one.where, screen)
        _part("fix:", one.remedy, screen)
    counted(each[SHOWN_IN_FULL:], screen)
    why([one.kind for one in each if one.exit_code == REFUSED], screen.tell)
    return problem.exit_code


def why(kinds: Iterable[str], line: Callable[[str], None]) -> None:
    """Where to read why, of the first of these kinds."""
    first = next((kind for kind in kinds if "." in kind), None)
    if first:
        line(f"why: tunesmith explain {first}")


def counted(rest: Sequence[Problem], screen: Screen) -> None:
    """What is not shown in full, counted by kind."""
    for kind, number in tally(one.kind for one in rest).items():
        screen.tell(f"… and {number} more of `{kind}`", RED)


def tally(kinds: Iterable[str]) -> dict[str, int]:
    """How often each kind occurs, in the order of first sight."""
    found: dict[str, int] = {}
    for kind in kinds:
        found[kind] = found.get(kind, 0) + 1
    return found


def of_system(error: OSError) -> Problem:
    """An error of the operating system in three parts."""
    where = str(error.filename or "")
    what = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return Misuse("file.unreadable", what.lower(), where, "name a file that exists")
    return Failure("system.failed", what.lower(), where, "set that right and run the command again")


def interrupted(stopped: KeyboardInterrupt, screen: Screen) -> int:
    """A Ctrl-C that nobody caught, and what whoever let it pass has noted on it."""
    if screen.as_json:
        screen.answer({"errors": [Failure("command.interrupted", "stopped at once").as_json()]})
    screen.tell("\n".join(["stopped", *getattr(stopped, "__notes__", [])]))
    return INTERRUPTED


def crashed(error: Exception, words: Sequence[str], screen: Screen) -> int:
    """A bug of ours: a short report, and the path of the full one, without secrets."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    path = _written(error, words)
    problem = Failure(
        "bug", redacted(f"tunesmith has a bug: {type(error).__name__}: {str(error)[:LINE_LIMIT]}"),
        f"{last.filename}:{last.lineno}", f"report it; the full report, without secrets, is in {path}",
    )
    told(problem, screen)
    return FAILED


def _written(error: Exception, words: Sequence[str]) -> str:
    head = (f"tunesmith {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
            f"command: tunesmith {' '.join(words)}\nfolder: {Path.cwd()}\n\n")
    report: str = redacted(head + "".join(traceback.format_exception(error)))
    handle, path = tempfile.mkstemp(prefix="tunesmith-crash-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(report)
    return path


def _part(label: str, text: str, screen: Screen) -> None:
    if text:
        screen.tell(f"  {label} {text}")


def _source_line(problem: Problem, screen: Screen) -> None:
    """The recipe's line with a caret under the word that is wrong."""
    found = RECIPE_LINE.search(problem.where)
    line = _line_of(Path(found[1]), int(found[2])) if found else None
    if line is None:
        return
    names = re.findall(r"`([^`]+)`", problem.what)
    words = [part for name in names for part in (name, name.rsplit(".", 1)[-1])]
    column = next((line.find(word) for word in words if word in line), len(line) - len(line.lstrip()))
    length = next((len(word) for word in words if word in line), 1)
    screen.tell(f"    | {line}")
    screen.tell(f"    | {' ' * column}{'^' * length}", CYAN)


def _line_of(recipe: Path, number: int) -> str | None:
    try:
        lines = recipe.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return lines[number - 1].expandtabs() if 0 < number <= len(lines) and len(lines[number - 1]) < LINE_LIMIT else None
