"""Attention of one new token of each of several sequences by the compiled kernel: one call a layer, whatever they are.

With torch's own, 16 sequences take 16 calls and as many slices: 14% of a step of SmolLM2-135M, and 20 ms of Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from torch import Tensor

from . import build, ideas
from .rule import Rule

LANE = 16  # numbers of a head come in these
NO_WINDOW = 2**40  # tokens


class _Remembered(ctypes.Structure):
    """As `Remembered` in cached.cpp."""

    _fields_ = (("keys", build.POINTER), ("values", build.POINTER), ("room", build.WHOLE), ("known", build.WHOLE))


class _Shape(ctypes.Structure):
    """As `CachedShape` in cached.cpp."""

    _fields_ = (*((name, build.WHOLE) for name in ("rows", "heads", "shared", "width", "window")),
                ("scale", ctypes.c_float))


class _Part(ctypes.Structure):
    """As `Part` in cached.cpp."""

    _fields_ = (("at", build.POINTER), ("row", build.WHOLE), ("head", build.WHOLE))


def serves(rule: Rule, *parts_MHD: Tensor) -> bool:
    """Whether the kernel takes these: heads of a width that fills lanes, and no cap on the scores."""
    return ideas.on("attention") and rule.softcap is None and build.serves(*parts_MHD) and len(
        {(part.dtype, part.shape[2]) for part in parts_MHD}) == 1 and parts_MHD[0].shape[2] % LANE == 0


def forward(
    parts_MHD: tuple[Tensor, Tensor, Tensor, Tensor], memories: Sequence[tuple[Tensor, Tensor]], known: Sequence[int],
    rule: Rule,
) -> None:
    """Fill the last part (answers) from the first three (queries, keys, values), which are remembered on the way.

    memories: (K, room, D) keys and values of each row, with room for one token behind those that are known.
    """
    query, key, _, _ = parts_MHD
    compute = build.function(f"cached_attention_{build.suffix(query)}", *[build.POINTER] * 3)
    assert compute is not None
    rows, heads, width = key.shape
    shape = _Shape(rows, heads, query.shape[1] // heads, width, rule.window or NO_WINDOW, rule.scale)
    remembered = (_Remembered * rows)(*(
        _Remembered(keys.data_ptr(), values.data_ptr(), keys.shape[1], count)
        for (keys, values), count in zip(memories, known, strict=True)))
    views = (_Part * 4)(*(_Part(part.data_ptr(), part.stride(0), part.stride(1)) for part in parts_MHD))
    compute(ctypes.byref(shape), remembered, views)
