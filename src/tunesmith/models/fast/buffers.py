"""Memory that is used again: what one block gives back, the next one takes.

Fresh memory costs a page fault for every page that is first touched, which on a CPU is ten times slower than writing
to it again. Buffers are lent: a forward pass takes those that its backward pass needs, and the backward pass gives
them back; what is never given back is freed as any tensor is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels import ideas

# Rows are counted in these: batches of about the same size then share their buffers
ROWS = 256


class Buffers:
    """Free buffers by their number of columns and dtype."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, torch.dtype, torch.device], list[Tensor]] = {}

    def take(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """(rows, columns) of whatever was in it, of the dtype and on the device of `like`."""
        free = self._free.setdefault((columns, like.dtype, like.device), [])
        whole = free.pop() if free else None
        if whole is None or len(whole) < rows:
            whole = self._make(-(-rows // ROWS) * ROWS, columns, like)
        return whole[:rows]

    def _make(self, rows: int, columns: int, like: Tensor) -> Tensor:
        with torch.inference_mode(False):  # what evaluation makes, training may use
            return torch.empty(rows, columns, dtype=like.dtype, device=like.device)

    def give(self, *buffers: Tensor | None) -> None:
        """Take back what nobody will read again."""
        if not ideas.on("buffers"):
            return
        for buffer in buffers:
            if buffer is not None:
                whole = buffer if buffer._base is None else buffer._base
                self._free.setdefault((whole.shape[1], whole.dtype, whole.device), []).append(whole)
