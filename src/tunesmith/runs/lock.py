"""One owner of a run folder at a time, by a lock of the operating system that ends when its process ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from ..errors import Busy, Failure
from . import durable
from .folder import Run

OWNER_WAIT_SECONDS = 0.5  # how long the owner's name is waited for; it is written right after the lock is taken
OWNER_POLL_SECONDS = 0.01
OWNER_BYTES = 4096


@dataclass(slots=True)
class _Held:
    descriptor: int
    open: bool = True

    def close(self) -> None:
        if self.open:
            self.open = False
            os.close(self.descriptor)


@contextmanager
def hold(run: Run, *, called: str = "the run") -> Iterator[None]:
    """Own the run while the context lasts. called: what it is, where it is another folder than a run's.

    Raises Busy, with process, host and since when, where another process (or another part of this one) owns it, and
    Failure where the folder cannot be written or its file system has no locks.
    """
    try:
        held = _Held(os.open(run.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise durable.problem(error, run.lock_file) from error
    # O_CLOEXEC covers programs that are started; a plain fork shares the lock, and would keep it when we are killed.
    os.register_at_fork(after_in_child=held.close)
    try:
        _take(held.descriptor, run, called)
        try:
            yield
        finally:
            if held.open:
                os.ftruncate(held.descriptor, 0)  # so that the next owner is never taken for us
    finally:
        held.close()


def _take(descriptor: int, run: Run, called: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Busy("runs.locked", f"{called} is in use by {_owner(descriptor)}", str(run.path),
                   "wait for it or stop it, then try again") from error
    except OSError as error:
        raise Failure("runs.no_locks", f"the file system cannot lock `{run.lock_file.name}`: {error.strerror}",
                      str(run.lock_file), "put the folder on a local disk (a run's: `run.folder`)") from error
    owner = {"pid": os.getpid(), "host": socket.gethostname(),
             "since": datetime.now().astimezone().isoformat(timespec="seconds")}
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode(), 0)
    except OSError as error:
        raise durable.problem(error, run.lock_file) from error


def _owner(descriptor: int) -> str:
    """Who holds the lock, in words. The name of a process that is gone is waited out: the owner is about to write."""
    deadline = time.monotonic() + OWNER_WAIT_SECONDS
    while True:
        try:
            owner = json.loads(os.pread(descriptor, OWNER_BYTES, 0))
            if owner["host"] != socket.gethostname() or _alive(int(owner["pid"])):
                return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (ValueError, KeyError, TypeError):
            pass  # not written yet
        if time.monotonic() > deadline:
            return "another process, which has not said its name"
        time.sleep(OWNER_POLL_SECONDS)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
