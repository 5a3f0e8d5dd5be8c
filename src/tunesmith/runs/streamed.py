"""A file that is written piece by piece and is whole or absent, as `durable` has it for what fits into memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

from ..errors import Busy, Failure
from . import durable

REMEDY = "set that right and run the command again: nothing was changed"


@contextlib.contextmanager
def streamed(path: Path) -> Iterator[BufferedWriter]:
    """What to write to: at the end of the block it stands at `path`, whole and on the disk; after an error, nothing.

    What a process that was killed has left behind is taken over. Raises Busy where another one is writing the file,
    and Failure where the disk does not take it.
    """
    durable.make_folder(path.parent)
    staging = path.with_name(f".{path.name}{durable.TEMPORARY}")
    try:
        with _owned(staging, path) as file:
            try:
                yield file
                file.flush()
                durable.sync(file.fileno(), staging)
                staging.replace(path)
            finally:
                with contextlib.suppress(OSError):
                    staging.unlink()
    except OSError as error:
        if error.filename not in (None, str(staging)):
            raise  # another file's, which it names
        told = durable.problem(error, path)
        raise Failure(told.kind, told.what, told.where, REMEDY) from error
    durable.confirm(path)


def _owned(staging: Path, path: Path) -> BufferedWriter:
    """The staging file, empty and held by this process alone."""
    while True:
        file = staging.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Busy("clean.held", f"another process is writing `{path.name}`", str(path),
                       "wait until it is done, or name another file") from error
        if staging.exists() and os.path.samestat(staging.stat(), os.fstat(file.fileno())):
            file.truncate(0)
            return file
        file.close()  # whoever held it has just given it its name
