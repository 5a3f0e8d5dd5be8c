"""A job's process: an ordinary command of tunesmith, of which there is never more than one for a job.

The lock of the job's folder is taken here and inherited by the process: it is held for as long as the process lives,
and no longer, whoever is killed. A process that outlives its server is so found by the next one.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..runs import durable
from .place import Work

COMMAND = (sys.executable, "-P", "-m", "tunesmith.jobs.child")  # -P: what lies in the current folder is no module


class Child(Protocol):
    """A process of a job."""

    def poll(self) -> int | None:
        """Its exit code once it has ended, negative where a signal ended it."""

    def stop(self) -> None:
        """Ask it to save what there is to save, and end."""


class Start(Protocol):
    """Something that starts processes of jobs."""

    def __call__(self, work: Work, words: Sequence[str]) -> Child | None:
        """A process of these words; None where another one of the same job is still alive. Raises Failure."""


@dataclass(frozen=True)
class Process:
    """A child of this process."""

    opened: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        code = self.opened.poll()
        if code is not None and self.opened.stdin is not None:
            self.opened.stdin.close()
        return code

    def stop(self) -> None:
        """SIGTERM: it finishes the step, saves it and ends."""
        self.opened.send_signal(signal.SIGTERM)


def start(work: Work, words: Sequence[str]) -> Child | None:
    """`tunesmith WORDS`, its answer and what it tells in the job's folder."""
    try:
        lock = os.open(work.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise durable.problem(error, work.lock) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with work.answer.open("wb") as answer, work.log.open("ab") as log:
            return Process(subprocess.Popen(  # noqa: S603 — a fixed command, on paths of our own making
                [*COMMAND, *words], stdin=subprocess.PIPE, stdout=answer, stderr=log, pass_fds=(lock,),
                start_new_session=True))  # a Ctrl-C in the server's terminal is the server's affair
    except BlockingIOError:
        return None
    except OSError as error:
        raise durable.problem(error, work.path) from error
    finally:
        os.close(lock)
