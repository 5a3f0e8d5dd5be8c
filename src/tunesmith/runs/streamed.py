"""A file that is written piece by piece and is whole or absent, as `durable` has it for what fits into memory."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

from ..errors import Failure
from . import durable

REMEDY = "set that right and run the command again: nothing was changed"


@contextlib.contextmanager
def streamed(path: Path) -> Iterator[BufferedWriter]:
    """What to write to: at the end of the block it stands at `path`, whole and on the disk; after an error, nothing.

    Raises Failure where the disk does not take it.
    """
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}{durable.TEMPORARY}")
    durable.make_folder(path.parent)
    try:
        with staging.open("xb") as file:
            yield file
            file.flush()
            durable.sync(file.fileno(), staging)
        staging.replace(path)
    except OSError as error:
        if error.filename not in (None, str(staging)):
            raise  # another file's, which it names
        told = durable.problem(error, path)
        raise Failure(told.kind, told.what, told.where, REMEDY) from error
    finally:
        with contextlib.suppress(OSError):
            staging.unlink()
    durable.confirm(path)
