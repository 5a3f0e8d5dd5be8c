"""`records.jsonl` and `timings.jsonl`: a line an event, appended whole, cut back to a checkpoint on resume."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import Failure, Refusal
from ..records import Finding
from . import durable, plain
from .redact import redacted

TAIL_BYTES = 65_536


class Journal:
    """A file of JSON lines that grows by one whole line at a time.

    A torn last line, left by a process that was killed, is cut off when the file is opened; `findings` says so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: tuple[Finding, ...] = ()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise durable.problem(error, path) from error
        self._open = True
        self._length = os.fstat(self._descriptor).st_size
        if found := torn(path):
            self.findings = (found,)
            self._length = _whole(path)
            os.ftruncate(self._descriptor, self._length)
        durable.sync_folder(path.parent)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line, in a single write; secrets are blotted out.

        Raises Failure with the file as it was before, so that no half line stands.
        """
        data = plain.line(redacted(record))
        self._demand_open()
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                os.ftruncate(self._descriptor, self._length)
        except OSError as error:
            raise durable.problem(error, self.path, len(data)) from error
        if written < len(data):
            raise durable.no_space(self.path, len(data), "only part of a line was written")
        self._length += written

    @property
    def bytes(self) -> int:
        """The length of the file, all of it on the disk: what a checkpoint's manifest states as `records_bytes`.

        Raises Failure where the disk does not confirm; the journal is then closed, since a second fsync of the same
        file would prove nothing.
        """
        self._demand_open()
        try:
            durable.sync(self._descriptor, self.path)
        except Failure:
            self.close()
            raise
        return self._length

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _demand_open(self) -> None:
        if not self._open:
            raise Failure("runs.journal_closed", f"`{self.path.name}` is closed and takes no more lines",
                          str(self.path), "go on with `--resume`")


def cut(path: Path, bytes: int) -> None:
    """Cut the file back to its first `bytes` bytes, on the disk.

    Raises Refusal where the file is shorter than that, or where no line ends there: it is then not the file that the
    checkpoint was saved with.
    """
    length = path.stat().st_size if path.exists() else 0
    if length < bytes:
        raise Refusal("runs.records_short", f"`{path.name}` has {length:,} bytes, the checkpoint was saved with "
                      f"{bytes:,}", str(path), "restore the file from a copy, or start a new run")
    if not path.exists():
        return
    try:
        with path.open("r+b") as file:
            file.seek(max(bytes - 1, 0))
            if bytes and file.read(1) != b"\n":
                raise Refusal("runs.records_differ", f"no line of `{path.name}` ends at byte {bytes:,}, where the "
                              "checkpoint was saved", str(path), "restore the file from a copy, or start a new run")
            file.truncate(bytes)
            durable.sync(file.fileno(), path)
    except OSError as error:
        raise durable.problem(error, path) from error


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file, in order; a torn last line is passed over (`torn` names it), a missing file has none.

    Raises Refusal with `file:line` for a whole line that is no JSON object.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.endswith(b"\n"):
                yield parsed(raw, f"{path}:{number}")


def tail(path: Path) -> list[dict[str, Any]]:
    """The last whole records of a file (as many as 64 KiB hold), without reading all of it.

    Lines that are no record are passed over; `read` names them.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        start = max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0)
        file.seek(start)
        lines = file.read().splitlines(keepends=True)
    whole = [raw for raw in lines[1 if start else 0:] if raw.endswith(b"\n")]
    found: list[dict[str, Any]] = []
    for raw in whole:
        with contextlib.suppress(Refusal):
            found.append(parsed(raw, str(path)))
    return found


def torn(path: Path) -> Finding | None:
    """The finding about a last line without its end, or None."""
    if not path.exists():
        return None
    lost = path.stat().st_size - _whole(path)
    if not lost:
        return None
    return Finding("warning", "runs.torn_line", f"the last line of `{path.name}` was cut short ({lost:,} bytes) when "
                   "its process ended", str(path), "nothing: the line is left out")


def _whole(path: Path) -> int:
    """Length of the file up to and with its last newline."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - TAIL_BYTES, 0)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def parsed(raw: bytes, where: str) -> dict[str, Any]:
    """The record of a line. Raises Refusal where it is no JSON object."""
    try:
        value = plain.parse(raw)
    except ValueError as error:
        raise Refusal("runs.broken_records", f"a record is damaged: {error}", where,
                      "restore the file from a copy, or start a new run") from error
    if not isinstance(value, dict):
        raise Refusal("runs.broken_records", "a record is no JSON object", where,
                      "restore the file from a copy, or start a new run")
    return value
