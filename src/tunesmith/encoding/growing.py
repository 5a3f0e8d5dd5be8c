"""A numpy array that grows at its end: in memory while it is small, in a file without a name from then on."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..cache import cache_folder

HELD_BYTES = 1 << 28


class Growing:
    """Rows of one kind and shape, appended in parts. The file is in the cache's folder, and gone with the process."""

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = (), *, held: int = HELD_BYTES) -> None:
        self.dtype, self.shape = np.dtype(dtype), shape
        self._held = held
        self._parts: list[NDArray[Any]] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None

    def append(self, part: NDArray[Any]) -> None:
        """Add rows at the end. Raises OSError where the disk is full."""
        rows = np.ascontiguousarray(part, self.dtype)
        self._bytes += rows.nbytes
        if self._file is not None:
            self._file.write(rows.reshape(-1).view(np.uint8).data)
            return
        self._parts.append(rows)
        if self._bytes > self._held:
            cache_folder().mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=cache_folder(), buffering=1 << 20)  # noqa: SIM115 - lives as we do
            for each in self._parts:
                self._file.write(each.reshape(-1).view(np.uint8).data)
            self._parts = []

    def zeros(self, rows: int) -> None:
        """Add so many rows of zeros."""
        each = max(1, (1 << 22) // max(1, self.dtype.itemsize * int(np.prod(self.shape))))
        for start in range(0, rows, each):
            self.append(np.zeros((min(each, rows - start), *self.shape), self.dtype))

    def whole(self) -> NDArray[Any]:
        """All rows: in memory, or mapped from the file."""
        if self._file is None:
            return np.concatenate(self._parts) if self._parts else np.zeros((0, *self.shape), self.dtype)
        self._file.flush()
        rows = self._bytes // (self.dtype.itemsize * int(np.prod(self.shape)))
        return np.memmap(self._file, self.dtype, "r", shape=(rows, *self.shape)).view(np.ndarray)
