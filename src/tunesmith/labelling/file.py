"""The file that decisions are written to, one line each, on the disk before the next row is shown."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Busy, Refusal
from .rows import BY, DIGEST


@dataclass(slots=True)
class LabelFile:
    """An open file of labelled rows.

    done: the digests of its rows; who: how many rows each person decided; torn: whether its last line was half written
    when an earlier process ended, and was cut off.
    """

    path: Path
    descriptor: int
    done: set[str] = field(default_factory=set)
    who: Counter[str] = field(default_factory=Counter)
    torn: bool = False
    _starts: list[int] = field(default_factory=list)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row; it is on the disk when this returns."""
        start = os.lseek(self.descriptor, 0, os.SEEK_END)
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        while line:
            line = line[os.write(self.descriptor, line):]
        os.fsync(self.descriptor)
        self._starts.append(start)

    def take_back(self) -> None:
        """Take out the row that was appended last."""
        os.ftruncate(self.descriptor, self._starts.pop())
        os.fsync(self.descriptor)

    def begin(self) -> None:
        """Read what is there already. Raises Refusal for a file that holds other rows."""
        with self.path.open("rb") as file:
            data = file.read()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), 1):
            digest, by = self._of(line, number)
            self.done.add(digest)
            self.who[by] += 1
        if whole < len(data):
            self._end(data, whole)

    def _end(self, data: bytes, whole: int) -> None:
        """Close a last line that has no end: it is whole but for that, or it was torn and is cut off.

        Of a file that has no other line nobody knows whether it is ours, so it is refused.
        """
        number = data.count(b"\n") + 1
        try:
            digest, by = self._of(data[whole:], number)
        except Refusal:
            if not whole:
                raise
            os.ftruncate(self.descriptor, whole)
            self.torn = True
        else:
            os.lseek(self.descriptor, 0, os.SEEK_END)
            os.write(self.descriptor, b"\n")
            self.done.add(digest)
            self.who[by] += 1

    def _of(self, line: bytes, number: int) -> tuple[str, str]:
        try:
            values = json.loads(line)
            return str(values[DIGEST]), str(values.get(BY, ""))
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal("label.other_file", "the line is none that `tunesmith label` wrote, so nothing is added",
                          f"{self.path}:{number}", "name another file with `--output`, or take the line out") from error


@contextmanager
def opened(path: Path) -> Iterator[LabelFile]:
    """The file, made where it is not there; nobody else writes into it meanwhile.

    Raises Busy where somebody does, Refusal for a file of other rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("label.held", "somebody is writing into this file", str(path),
                       "wait until they are done, or label into a file of your own") from error
        file = LabelFile(path, descriptor)
        file.begin()
        yield file
    finally:
        if not os.fstat(descriptor).st_size:
            path.unlink(missing_ok=True)  # nothing was decided, so nothing is left lying about
        os.close(descriptor)
