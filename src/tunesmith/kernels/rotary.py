"""Rotary position embeddings, in place.

Letters: M rows, H heads, D width of a head, R <= D numbers of it that are turned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from . import build


def rotate_(x_MHD: Tensor, cos_MR: Tensor, sin_MR: Tensor, *, transpose: bool = False) -> None:
    """Turn the first R numbers of each head, number i with number i + R / 2, by the angles of its row.

    `transpose` applies the transposed matrix, which carries a gradient back. Source: Su et al. 2021, "RoFormer",
    eq. 34, with the pairs as Llama lays them out.
    """
    turn = _rotate_natively if _native(x_MHD, cos_MR, sin_MR) else _rotate
    turn(x_MHD, cos_MR, sin_MR, transpose)


def naive_rotate(x_MHD: Tensor, cos_MR: Tensor, sin_MR: Tensor) -> Tensor:
    """What `rotate_` computes, for autograd: its oracle in tests."""
    turned, rest = x_MHD[..., : cos_MR.shape[1]], x_MHD[..., cos_MR.shape[1] :]
    first, second = turned.chunk(2, -1)
    swapped = torch.cat([-second, first], -1)
    return torch.cat([turned * cos_MR[:, None] + swapped * sin_MR[:, None], rest], -1)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, transpose: bool) -> None:
    half = cos.shape[1] // 2
    wide = x.dtype if x.dtype == torch.float64 else torch.float32
    first, second = x[..., :half].to(wide), x[..., half : 2 * half].to(wide)
    cos_first, cos_second = cos.to(wide)[:, None].chunk(2, -1)
    sin_first, sin_second = sin.to(wide)[:, None].chunk(2, -1)
    if transpose:
        sin_first, sin_second = -sin_second, -sin_first
    turned = first * cos_first - second * sin_first
    x[..., half : 2 * half] = second * cos_second + first * sin_second
    x[..., :half] = turned


def _native(x: Tensor, cos: Tensor, sin: Tensor) -> bool:
    return build.serves(x, cos, sin) and cos.dtype == sin.dtype and cos.dtype in (x.dtype, torch.float32)


def _rotate_natively(x: Tensor, cos: Tensor, sin: Tensor, transpose: bool) -> None:
    run = _function(x.dtype, cos.dtype)
    run(x.data_ptr(), x.stride(0), x.stride(1), cos.data_ptr(), cos.stride(0), sin.data_ptr(), sin.stride(0),
        x.shape[0], x.shape[1], cos.shape[1] // 2, transpose)


@functools.cache
def _function(dtype: torch.dtype, angle: torch.dtype) -> Callable[..., None]:
    row = (build.POINTER, build.WHOLE)
    sizes = (build.WHOLE, build.WHOLE, build.WHOLE, build.WHOLE)
    name = f"rotate_{build.SUFFIXES[dtype]}_{build.SUFFIXES[angle]}"
    run = build.function(name, *row, build.WHOLE, *row, *row, *sizes)
    assert run is not None
    return run
