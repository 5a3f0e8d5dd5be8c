"""Attention by the compiled kernel: bfloat16, on AMX tiles or by AVX512-BF16."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from . import build, ideas, processor
from .rule import Rule

WIDEST, WIDTH_STEP = 256, 32  # numbers of a head
NO_WINDOW = 2**40  # rows


class _View(ctypes.Structure):
    """As `View` in attention.h: steps from row to row and from head to head, in numbers."""

    _fields_ = (("at", build.POINTER), ("row", build.WHOLE), ("head", build.WHOLE))


class _Shape(ctypes.Structure):
    """As `Shape` in attention.h."""

    _fields_ = (
        *((name, build.WHOLE) for name in ("rows", "heads", "shared", "width", "documents", "window")),
        ("scale", ctypes.c_float), ("softcap", ctypes.c_float), ("tiles", ctypes.c_int32),
        ("causal", ctypes.c_int32),
    )


def serves(rule: Rule, *tensors: Tensor) -> bool:
    """Whether the kernel takes these: bfloat16 on the processor, heads of a width that fills tiles, a scale above 0."""
    width = tensors[0].shape[-1]
    return (
        ideas.on("attention") and build.serves(*tensors) and {tensor.dtype for tensor in tensors} == {torch.bfloat16}
        and width % WIDTH_STEP == 0 and width <= WIDEST and rule.scale > 0 and _ready()
    )


def leads_forward() -> bool:
    """Whether the kernel's forward pass is faster than torch's own here; its backward pass is everywhere.

    Without tiles, Intel's processors do half as many of these products as plain ones: one core of a Xeon, 9 heads over
    3, against torch's own: 8.5 to 8.5 ms for 1,840 rows in documents of 230, 269 to 105 ms for one document of 4,096.
    """
    return build.tiles() or not _by_intel()


def forward(
    query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor, borders: Sequence[int], rule: Rule, *, out_MHD: Tensor
) -> Tensor:
    """As `attention.forward`."""
    lse_HM = torch.empty(query_MHD.shape[1], len(query_MHD))
    compute = build.function("attention_forward", *[build.POINTER] * 4)
    assert compute is not None
    compute(ctypes.byref(_shape(query_MHD, key_MKD, borders, rule)),
            _views(query_MHD, key_MKD, value_MKD, out_MHD), _numbers(borders), lse_HM.data_ptr())
    return lse_HM


def backward(
    given_MHD: Tensor, out_MHD: Tensor, query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor,
    *, lse_HM: Tensor, borders: Sequence[int], rule: Rule, into: tuple[Tensor, Tensor, Tensor],
) -> None:
    """As `attention.backward`."""
    compute = build.function("attention_backward", *[build.POINTER] * 4)
    assert compute is not None
    lse_HM = lse_HM.contiguous()
    compute(ctypes.byref(_shape(query_MHD, key_MKD, borders, rule)),
            _views(given_MHD, out_MHD, query_MHD, key_MKD, value_MKD, *into), _numbers(borders), lse_HM.data_ptr())


@functools.cache
def _by_intel() -> bool:
    return processor.vendor() == "GenuineIntel"


def _ready() -> bool:
    ready = build.function("attention_ready", restype=ctypes.c_int)
    return ready is not None and ready() == 1


def _shape(query_MHD: Tensor, key_MKD: Tensor, borders: Sequence[int], rule: Rule) -> _Shape:
    rows, heads, width = query_MHD.shape
    return _Shape(rows, heads, key_MKD.shape[1], width, len(borders) - 1, rule.window or NO_WINDOW,
                  rule.scale, rule.softcap or 0.0, build.tiles(), rule.causal)


def _views(*tensors_MHD: Tensor) -> ctypes.Array[_View]:
    views = [_View(tensor.data_ptr(), tensor.stride(0), tensor.stride(1)) for tensor in tensors_MHD]
    return (_View * len(views))(*views)


def _numbers(borders: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(borders))(*borders)
