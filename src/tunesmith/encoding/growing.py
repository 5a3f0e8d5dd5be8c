"""A numpy array that grows at its end: in memory while it is small, in a file without a name from then on."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..cache import cache_folder

HELD_BYTES = 1 << 25


class Growing:
    """Rows of one kind and shape, appended in parts. The file is in the cache's folder, and gone with the process."""

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = (), *, held: int = HELD_BYTES) -> None:
        self.dtype, self.shape = np.dtype(dtype), shape
        self._held = held
        self._few = bytearray()
        self._rows = self._bytes = 0
        self._file: IO[bytes] | None = None

    def append(self, part: NDArray[Any]) -> None:
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
            cache_folder().mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=cache_folder(), buffering=1 << 20)  # noqa: SIM115 - lives as we do
            self._file.write(self._few)
            self._few = bytearray()

    def zeros(self, rows: int) -> None:
        """Add so many rows of zeros."""
        each = max(1, (1 << 22) // max(1, self.dtype.itemsize * int(np.prod(self.shape))))
        for start in range(0, rows, each):
            self.append(np.zeros((min(each, rows - start), *self.shape), self.dtype))

    def whole(self) -> NDArray[Any]:
        """All rows: in memory, or mapped from the file."""
        if self._file is None:
            return np.frombuffer(bytes(self._few), self.dtype).reshape(self._rows, *self.shape)
        self._file.flush()
        return np.memmap(self._file, self.dtype, "r", shape=(self._rows, *self.shape)).view(np.ndarray)
