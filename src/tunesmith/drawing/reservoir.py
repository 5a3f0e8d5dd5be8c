"""Rows drawn at random in constant memory: those with the smallest keys, and a row's key is made of its content.

So the same rows are drawn whatever their order, and exact copies, which have one key, are drawn once. Every subset of
the different rows is as likely as any other of its size. Source: Cohen and Kaplan 2007, "Summarizing data using
bottom-k sketches".
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import Misuse
from ..reading.naming import FROM_ROW
from ..records import Row

NO_VALUE: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A row that may be drawn: its key, the place where it stood, and its columns as JSON."""

    key: int
    where: str
    line: bytes

    @property
    def values(self) -> dict[str, Any]:
        """The row's columns in their order."""
        values: dict[str, Any] = json.loads(self.line)
        return values

    def written(self) -> dict[str, Any]:
        """The row as it is handed on: its columns, and where it stood. A place that it came with is kept."""
        values = self.values
        return values if FROM_ROW in values else {**values, FROM_ROW: self.where}


def drawable(row: Row, seed: int) -> Drawn:
    """A row with its key: 63 bits of a digest of its columns and the seed."""
    own = {name: value for name, value in row.values.items() if name != FROM_ROW}
    told = json.dumps(own, sort_keys=True, ensure_ascii=False)
    digest = hashlib.blake2b(told.encode(), digest_size=8, key=str(seed).encode()).digest()
    line = json.dumps(row.values, ensure_ascii=False).encode()
    return Drawn(int.from_bytes(digest, "big") >> 1, row.where, line)


@dataclass(slots=True)
class Reservoir:
    """Holds the rows with the smallest keys: at most `rows` of them, and at most so many bytes.

    full: whether a row was ever left out.
    """

    rows: int
    most_bytes: int | None = None
    full: bool = False
    _heap: list[tuple[int, str, bytes]] = field(default_factory=list)  # the largest key first, so it is negative
    _keys: set[int] = field(default_factory=set)
    _held_bytes: int = 0
    _cut: int = 1 << 63  # keys from here on were left out once: a copy of such a row is left out too

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, drawn: Drawn) -> None:
        """Hold the row, unless it is held already or has too large a key."""
        if drawn.key >= self._cut:
            self.full = True
            return
        if drawn.key in self._keys:
            return
        self._keys.add(drawn.key)
        heapq.heappush(self._heap, (-drawn.key, drawn.where, drawn.line))
        self._held_bytes += len(drawn.line)
        while len(self._heap) > self.rows or (self.most_bytes is not None and self._held_bytes > self.most_bytes
                                              and len(self._heap) > 1):
            negative, _, line = heapq.heappop(self._heap)
            self._keys.remove(-negative)
            self._held_bytes -= len(line)
            self._cut, self.full = -negative, True

    def drawn(self) -> list[Drawn]:
        """The rows that are held, by their keys: any beginning of them is a smaller draw."""
        return [Drawn(-negative, where, line) for negative, where, line in sorted(self._heap, reverse=True)]


@dataclass(slots=True)
class Strata:
    """A reservoir for each value of a column, and how many rows had that value, copies included."""

    column: str
    rows: int
    reservoirs: dict[str, Reservoir] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, value: Any, drawn: Drawn) -> None:
        """Hold the row under its value. Raises Misuse where there are more values than rows to draw."""
        name = stratum(value)
        if name not in self.reservoirs:
            if len(self.reservoirs) >= self.rows:
                raise Misuse(
                    "sample.strata", f"`{self.column}` has more than {self.rows} values, and each is to be drawn once "
                    "at least", drawn.where, "raise `--rows`, or name another column with `--column`")
            self.reservoirs[name] = Reservoir(self.rows)
            self.counts[name] = 0
        self.counts[name] += 1
        self.reservoirs[name].add(drawn)

    def drawn(self, *, equal: bool) -> dict[str, list[Drawn]]:
        """The rows of each value: in proportion to its rows, or of all values as many."""
        names = sorted(self.reservoirs)
        have = [len(self.reservoirs[name]) for name in names]
        weights = [1 if equal else self.counts[name] for name in names]
        given = shares(weights, have, self.rows)
        return {name: self.reservoirs[name].drawn()[:rows] for name, rows in zip(names, given, strict=True)}


def stratum(value: Any) -> str:
    """The name of a value: of a list the set of what is in it, since the order of labels says nothing."""
    if value is None or value == "" or value == []:
        return NO_VALUE
    if isinstance(value, list):
        return ", ".join(sorted({stratum(one) for one in value}))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def shares(weights: Sequence[int], have: Sequence[int], rows: int) -> list[int]:
    """How many rows each gets: one at least, then by weight, and none more than it has.

    The next row always goes where the weight for each row given is largest (Sainte-Laguë 1910), so what one stratum
    lacks the others get in proportion.
    """
    given = [1] * len(weights)
    open_ = [(-weight / 3, place) for place, weight in enumerate(weights) if have[place] > 1]
    heapq.heapify(open_)
    for _ in range(rows - len(weights)):
        if not open_:
            break
        place = open_[0][1]
        given[place] += 1
        if given[place] < have[place]:
            heapq.heapreplace(open_, (-weights[place] / (2 * given[place] + 1), place))
        else:
            heapq.heappop(open_)
    return given


def largest(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts, largest first."""
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
