"""Errors that a user can act on, and the exit codes they end with.

    Problem                what is wrong, where, and what to do about it
     ├── Misuse            exit 2: the command line or the recipe is wrong; nothing was touched
     ├── Refusal           exit 3: the content of data, template, model or run fails a proof
     ├── Failure           exit 1: it failed while running
     └── Busy              exit 75: another process holds it; try again
    Problems               several of them at once, ending with the gravest exit code
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

DONE = 0
FAILED = 1
MISUSED = 2
REFUSED = 3
TRY_AGAIN = 75
INTERRUPTED = 130

SHOWN_IN_FULL = 20
# How libraries say it that have no kind of error for it: torch on a processor and on a device, C++, the system
SPENT = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc|Cannot allocate memory"
                   r"|can't start new thread"
                   r"|could not create a primitive(?! desc)", re.I)  # oneDNN, without room for a kernel's own code


class Problem(Exception):
    """What is wrong, where (`file:line`, or a recipe path), and what to do.

    `kind` is a stable dotted name (`recipe.unknown_option`) for machines and for `tunesmith explain`.
    """

    exit_code: ClassVar[int] = FAILED

    def __init__(self, kind: str, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  at:  {self.where}")
        if self.remedy:
            lines.append(f"  fix: {self.remedy}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, str]:
        """The four parts under the names that `--json` promises."""
        return {"kind": self.kind, "what": self.what, "where": self.where, "remedy": self.remedy}


class Misuse(Problem):
    """The command line or the recipe is wrong, a file or an extra is missing; nothing was touched."""

    exit_code = MISUSED


class Refusal(Problem):
    """The content of data, template, model, export or run fails a proof."""

    exit_code = REFUSED


class Failure(Problem):
    """It failed while running; what is saved, and how to go on, is in the remedy."""

    exit_code = FAILED


class Busy(Problem):
    """Another process holds the run, or the run stopped on request and can go on."""

    exit_code = TRY_AGAIN


class Problems(Exception):
    """Several problems found in one pass, reported together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise ValueError("Problems needs at least one Problem")
        super().__init__("\n".join(problem.what for problem in self.problems))

    @property
    def exit_code(self) -> int:
        """A refusal outweighs a misuse, which outweighs a failure."""
        return max(problem.exit_code for problem in self.problems)

    def __str__(self) -> str:
        shown = "\n".join(str(problem) for problem in self.problems[:SHOWN_IN_FULL])
        rest = len(self.problems) - SHOWN_IN_FULL
        return f"{shown}\n… and {rest} more" if rest > 0 else shown


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise one problem as itself, several as `Problems`, none not at all."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)


@contextmanager
def memory_told() -> Iterator[None]:
    """Whatever says that memory is spent becomes a Failure that says what to do about it."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_spent(error):
            raise
        asked = re.search(r"allocate ([\d.]+ ?(?:bytes|[KMGT]i?B))", str(error))
        more = f": {asked[1]} more were asked for" if asked else ""
        raise Failure("memory.spent", f"the memory of this machine is spent{more}", "",
                      "lower `training.batch_size` or `training.max_length`, use a smaller base, or end other programs;"
                      " a run that had begun stands as it was saved, and goes on with `--resume`") from error


def is_spent(error: BaseException) -> bool:
    """Whether an error says that memory is spent."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or bool(SPENT.search(str(error)))
