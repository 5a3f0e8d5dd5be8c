"""Examples beyond what memory should hold, in a file that has no name: read back one by one, as often as asked."""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import IO, overload

import numpy as np
from numpy.typing import NDArray

from ..cache import cache_folder
from ..records import Example
from .texts import characters
from .written import read, told

HELD = 1 << 25  # characters that stay in memory: some 50,000 short rows, with a few hundred bytes of Python for each
AT_ONCE = 1 << 20
_WRITER = json.JSONEncoder(ensure_ascii=False)


class Shelf(Sequence[Example]):
    """A sequence of examples that grows at its end: in memory while they are few, in a file of the cache from then on.

    The file has no name, so it is gone with the process that made it, however that ends. What is read back is equal to
    what was put there. Raises OSError where the disk is full.
    """

    def __init__(self, examples: Iterable[Example] = (), *, held: int = HELD) -> None:
        self._few: list[Example] = []
        self._room = held
        self._file: IO[bytes] | None = None
        self._ends = array("q", [0])
        self.extend(examples)

    def extend(self, examples: Iterable[Example]) -> None:
        """Put examples at the end."""
        for example in examples:
            if self._file is None:
                self._few.append(example)
                self._room -= characters(example)
                if self._room < 0:
                    self._open()
            else:
                self._write(example)

    def whole(self) -> Sequence[Example]:
        """All of them, once there will be no more: a plain tuple while they are few."""
        return tuple(self._few) if self._file is None else self

    def _open(self) -> None:
        cache_folder().mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=cache_folder(), buffering=AT_ONCE)  # noqa: SIM115 - lives as we do
        few, self._few = self._few, []
        for example in few:
            self._write(example)

    def _write(self, example: Example) -> None:
        line = _WRITER.encode({**told(example), "where": example.where}).encode()
        assert self._file is not None
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def __len__(self) -> int:
        return len(self._few) if self._file is None else len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return Picked(self, range(*place.indices(len(self))))
        at = range(len(self))[place]
        return self._few[at] if self._file is None else self._read(self._ends[at], self._ends[at + 1])

    def __iter__(self) -> Iterator[Example]:
        if self._file is None:
            yield from self._few
            return
        for first in range(0, len(self), 1000):
            ends = self._ends[first : first + 1001]
            content = self._bytes(ends[0], ends[-1])
            for start, end in pairwise(ends):
                yield read(json.loads(content[start - ends[0] : end - ends[0]]))

    def _read(self, start: int, end: int) -> Example:
        return read(json.loads(self._bytes(start, end)))

    def _bytes(self, start: int, end: int) -> bytes:
        assert self._file is not None
        self._file.flush()
        return os.pread(self._file.fileno(), end - start, start)


Change = Callable[[Example, int], Example]


def picked(
    whole: Sequence[Example], places: Iterable[int], change: Change = lambda example, _: example
) -> Sequence[Example]:
    """Some examples, each changed: a plain tuple where the whole is one, else made anew whenever they are asked for."""
    if isinstance(whole, tuple | list):
        return tuple(change(whole[place], place) for place in places)
    return Picked(whole, places if isinstance(places, range | np.ndarray) else np.fromiter(places, np.int64), change)


class Picked(Sequence[Example]):
    """Some examples of a sequence, in an order of their own, each changed as it is handed out.

    places: (N,) their indices; change: what is made of the example at a place, by the example and that index.
    """

    def __init__(
        self, whole: Sequence[Example], places: NDArray[np.int64] | range,
        change: Change = lambda example, _: example,
    ) -> None:
        self._whole, self._places, self._change = whole, places, change

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return Picked(self._whole, self._places[place], self._change)
        at = int(self._places[place])
        return self._change(self._whole[at], at)


def laid(parts: Sequence[Sequence[Example]]) -> Sequence[Example]:
    """Sequences one after the other: a plain tuple where all of them are, else none of them copied."""
    if all(isinstance(part, tuple | list) for part in parts):
        return tuple(chain.from_iterable(parts))
    return Laid(parts)


class Laid(Sequence[Example]):
    """Sequences of examples, one after the other, none of them copied."""

    def __init__(self, parts: Sequence[Sequence[Example]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Example]:
        return chain.from_iterable(self._parts)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        part = bisect_right(self._ends, at)
        return self._parts[part][at - (self._ends[part - 1] if part else 0)]
