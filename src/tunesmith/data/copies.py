"""Which rows repeat earlier ones: 20 bytes a row, so that millions of them can be told apart."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field

import numpy as np

from ..errors import SHOWN_IN_FULL


@dataclass(slots=True)
class Copies:
    """Rows by a digest of eight bytes of what they say: of ten million, two that differ are hardly ever taken as one.

    A row's place is a number of its file and a line; one without a line counts as line 0.
    """

    digests: array[int] = field(default_factory=lambda: array("Q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    files: array[int] = field(default_factory=lambda: array("i"))
    names: dict[str, int] = field(default_factory=dict)

    def add(self, said: str, where: str) -> None:
        """Take in a row."""
        self.digests.append(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), "little"))
        file, _, line = where.rpartition(":")
        self.lines.append(int(line) if line.isdecimal() else 0)
        self.files.append(self.names.setdefault(file if line.isdecimal() else where, len(self.names)))

    def found(self) -> tuple[int, list[tuple[str, str]]]:
        """How many rows repeat an earlier one, and of the first twenty of them where they and the earlier stand."""
        digests = np.frombuffer(self.digests, np.uint64) if self.digests else np.zeros(0, np.uint64)
        _, first, of = np.unique(digests, return_index=True, return_inverse=True)
        earlier = first[of]
        copies = np.flatnonzero(earlier != np.arange(len(digests)))
        return len(copies), [(self._place(int(row)), self._place(int(earlier[row]))) for row in copies[:SHOWN_IN_FULL]]

    def _place(self, row: int) -> str:
        name = next(name for name, number in self.names.items() if number == self.files[row])
        return f"{name}:{self.lines[row]}" if self.lines[row] else name
