"""Arrays longer than memory should hold: in files that have no names, and worked on a part at a time.

Such a file lies in the cache's folder, and is gone with the process that made it, however that ends. The system keeps
in memory what of it is in use, and as much more as there is room for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .cache import cache_folder

HELD_BYTES = 1 << 22
AT_ONCE = 1 << 19

Array = NDArray[Any]
Indices = NDArray[np.int64]


class Growing:
    """Rows of one kind and shape, appended in parts: in memory while they are few, in a file from then on."""

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = (), *, held: int = HELD_BYTES) -> None:
        self.dtype, self.shape = np.dtype(dtype), shape
        self._held = held
        self._few = bytearray()
        self._rows = self._bytes = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._rows

    def append(self, part: Array) -> None:
        """Add rows at the end. Raises OSError where the disk is full."""
        rows = np.ascontiguousarray(part, self.dtype)
        self._rows += len(rows)
        self._bytes += rows.nbytes
        content = rows.reshape(-1).view(np.uint8).data
        if self._file is not None:
            self._file.write(content)
            return
        self._few += content
        if self._bytes > self._held:
            self._file = file(1 << 20)
            self._file.write(self._few)
            self._few = bytearray()

    def zeros(self, rows: int) -> None:
        """Add so many rows of zeros."""
        each = max(1, (1 << 22) // max(1, self.dtype.itemsize * int(np.prod(self.shape))))
        for start in range(0, rows, each):
            self.append(np.zeros((min(each, rows - start), *self.shape), self.dtype))

    def whole(self) -> Array:
        """All rows: in memory, or mapped from the file."""
        if self._file is None:
            return np.frombuffer(bytes(self._few), self.dtype).reshape(self._rows, *self.shape)
        self._file.flush()
        return np.memmap(self._file, self.dtype, "r", shape=(self._rows, *self.shape)).view(np.ndarray)


def file(buffering: int = -1) -> IO[bytes]:
    """A file without a name, to be written and read."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=cache_folder(), buffering=buffering)


def filled(count: int, value: float, dtype: DTypeLike) -> Array:
    """(count,) one value, to be changed. Raises OSError where the disk is full."""
    if count * np.dtype(dtype).itemsize <= HELD_BYTES:
        return np.full(count, value, dtype)
    with file() as opened:
        for some in blocks(count):
            np.full(some.stop - some.start, value, dtype).tofile(opened)
        opened.flush()
        return np.memmap(opened, dtype, "r+", shape=(count,)).view(np.ndarray)


def collected(numbers: Iterable[Any], dtype: DTypeLike) -> Array:
    """(N,) as many numbers as there are."""
    found, left = Growing(dtype), iter(numbers)
    while len(part := np.fromiter(islice(left, AT_ONCE), dtype)):
        found.append(part)
    return found.whole()


def taken(values: Array, at: Array) -> Array:
    """The value at each place, in the shape of the places."""
    found = Growing(values.dtype, at.shape[1:])
    for some in blocks(len(at)):
        found.append(values[at[some]])
    return found.whole()


def places(values: Array, wanted: Callable[[Array], NDArray[np.bool_]]) -> Indices:
    """(P,) the places of the values that are wanted."""
    found = Growing(np.int64)
    for some in blocks(len(values)):
        found.append(np.flatnonzero(wanted(values[some])) + some.start)
    return found.whole()


def blocks(count: int) -> Iterator[slice]:
    """Parts of an array of such a length, one after the other."""
    return (slice(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE))


def ranges(keys: Array) -> Iterator[Indices]:
    """The indices of whole numbers from 0 on, as parts: those of the smallest keys first, of equal ones in one part.

    Within a part the indices grow. A part is as large as `AT_ONCE` where keys are spread evenly.
    """
    if not len(keys):
        return
    parts = -(-len(keys) // AT_ONCE)
    low = min(int(keys[some].min()) for some in blocks(len(keys)))
    high = max(int(keys[some].max()) for some in blocks(len(keys)))
    width = (high - low) // parts + 1
    numbers = keys.view(np.uint64)
    for start in range(low, high + 1, width):
        found = places(numbers, _from_to(start, min(start + width - 1, high)))
        if len(found):
            yield found


def _from_to(least: int, most: int) -> Callable[[Array], NDArray[np.bool_]]:
    return lambda some: (some >= np.uint64(least)) & (some <= np.uint64(most))


def common(one: Array, other: Array) -> Array:
    """(C,) the values that stand in both, in order; memory holds the second one."""
    few = np.unique(other)
    both = np.zeros(len(few), np.bool_)
    for some in blocks(len(one)):
        both |= np.isin(few, one[some])
    return few[both]


def distinct(keys: Array) -> tuple[Indices, Indices]:
    """(U,) the first index of each distinct key, in the order of the keys; (N,) which of them each key is.

    keys: (N,) whole numbers from 0 on.
    """
    first, which = Growing(np.int64), filled(len(keys), 0, np.int64)
    for some in ranges(keys):
        _, begins, of = np.unique(keys[some], return_index=True, return_inverse=True)
        which[some] = of + len(first)
        first.append(some[begins])
    return first.whole(), which
