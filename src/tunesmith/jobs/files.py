"""Contents under their digests: received piece by piece, kept whole or not at all (rule R7).

A client's file name is a text to show. What a content is called on the disk follows from its bytes alone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from ..errors import Failure, Misuse, Refusal
from ..runs import durable
from .entries import File
from .place import Place
from .store import Store, now

Purpose = Literal["fine-tune", "fine-tune-results"]
FINE_TUNE: Final[Purpose] = "fine-tune"
RESULTS: Final[Purpose] = "fine-tune-results"
PIECE_BYTES = 1 << 20


@dataclass
class Receiving:
    """A content that is being sent; `write` it piece by piece."""

    path: Path
    descriptor: int
    limit: int
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises Misuse `jobs.file_too_large` beyond the limit, Failure where the disk is full."""
        self.size += len(piece)
        if self.size > self.limit:
            raise Misuse("jobs.file_too_large", f"the file is larger than {self.limit:,} bytes", "file",
                         "send fewer rows, or several files")
        self._digest.update(piece)
        try:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(self.descriptor, rest):]
        except OSError as error:
            raise durable.problem(error, self.path, len(piece)) from error

    @property
    def digest(self) -> str:
        """SHA-256 of what came so far."""
        return str(self._digest.hexdigest())


@contextmanager
def receiving(place: Place, limit: int) -> Iterator[Receiving]:
    """A content that is being sent; what was not kept by then is removed."""
    path = place.incoming / secrets.token_hex(16)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise durable.problem(error, path) from error
    try:
        yield Receiving(path, descriptor, limit)
    finally:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def keep(store: Store, received: Receiving, filename: str, purpose: Purpose, *, id: str = "") -> File:
    """The file of a content that has come whole, on the disk. id: of a file that may have been kept before."""
    durable.sync(received.descriptor, received.path)
    file = File(id or f"file-{secrets.token_hex(12)}", now(), received.size, filename, purpose, received.digest)
    target = store.place.content(file.digest)
    with store.writing():  # nobody forgets the last other file of this content meanwhile
        try:
            received.path.replace(target)
        except OSError as error:
            raise durable.problem(error, target) from error
        durable.confirm(target)
        store.add_file(file)
    return file


def named(store: Store, id: str) -> File:
    """The file of that id. Raises Misuse `jobs.no_file`."""
    file = store.file(id)
    if file is None:
        raise Misuse("jobs.no_file", f"there is no file `{id[:80]}`", "file_id",
                     "list the files to see which there are")
    return file


def opened(store: Store, file: File) -> BinaryIO:
    """The file's content. Raises Failure where it is gone from the disk."""
    path = store.place.content(file.digest)
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise lost(file) from error


def pieces(content: BinaryIO) -> Iterator[bytes]:
    """A content piece by piece; it is closed at the end."""
    with content:
        while piece := content.read(PIECE_BYTES):
            yield piece


def lay(store: Store, file: File, target: Path) -> int:
    """The content of a file at `target`, whatever becomes of the file; how many rows it may hold.

    Raises Failure where it is gone from the disk, Refusal where it is not what was sent.
    """
    rows, last, digest = 0, b"\n", hashlib.sha256()
    for piece in pieces(opened(store, file)):
        digest.update(piece)
        rows, last = rows + piece.count(b"\n"), piece[-1:]
    if digest.hexdigest() != file.digest:
        raise Refusal("jobs.file_damaged", f"the content of `{file.id}` is no longer what was sent: the disk has "
                      "changed it", file.id, "send the file again, and look at the disk's health")
    try:
        os.link(store.place.content(file.digest), target, follow_symlinks=False)
    except FileNotFoundError as error:
        raise lost(file) from error
    except OSError as error:
        raise durable.problem(error, target) from error
    return rows + (last != b"\n")


def remove(store: Store, id: str) -> None:
    """Forget a file, and its content where no other file has it; jobs keep what they were given."""
    file = named(store, id)
    with store.writing():
        alone = store.forget_file(id)
    if alone:
        with store.writing(), suppress(OSError):
            if file.digest not in store.digests():  # sent again meanwhile
                store.place.content(file.digest).unlink(missing_ok=True)


def tidy(store: Store) -> None:
    """Remove what a server that was killed left: half-sent contents, and those that no file has."""
    known = store.digests()
    left = [*store.place.incoming.iterdir(), *(path for path in store.place.files.iterdir() if path.name not in known)]
    for path in left:
        with suppress(OSError):
            path.unlink()


def lost(file: File) -> Failure:
    """The Failure of a content that is gone."""
    return Failure("jobs.file_lost", f"the content of `{file.id}` is gone from the disk", file.id,
                   "send the file again")
