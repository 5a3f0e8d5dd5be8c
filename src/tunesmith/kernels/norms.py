"""Root-mean-square norms, forward and backward.

Letters: M rows, H width; a view (M, heads, D) is normed over its last dimension, each head by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import build

_ROWS = (build.POINTER, build.WHOLE, build.WHOLE)
_WEIGHT = (build.POINTER, build.REAL)
_SIZES = (build.WHOLE, build.WHOLE, build.WHOLE)
_TYPES: dict[str, tuple[Any, ...]] = {
    "norm": (*_ROWS, *_WEIGHT, build.REAL, *_ROWS, build.POINTER, *_SIZES),
    "norm_backward": (*_ROWS, *_ROWS, *_WEIGHT, build.POINTER, *_ROWS, build.WHOLE, build.POINTER, *_SIZES),
}

def rms_norm(
    x: Tensor, weight: Tensor | None, eps: float, *, plus_one: bool = False, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`x / sqrt(mean(x^2) + eps) * weight` in x's dtype, rounded once, and the reciprocal roots for the backward pass.

    x: (M, H), or a strided view (M, heads, D). weight: (H,) or (D,); none multiplies by one; with `plus_one` it stands
    for 1 + weight, as in Gemma. out: like x, and may be x itself. The roots have x's shape but for its last dimension,
    in float32 (float64 for float64). Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4.
    """
    out = torch.empty_like(x) if out is None else out
    native = _native(x, weight, out)
    return out, (_norm_natively if native else _norm)(x, weight, eps, plus_one, out)


def rms_norm_backward(
    given: Tensor, x: Tensor, weight: Tensor | None, reciprocal: Tensor, *, plus_one: bool = False, into: Tensor,
    add: bool = False, learns: bool = False,
) -> Tensor | None:
    """Write the gradient of x to `into`, or add it there; returns the weight's where it `learns`, in float32 or better.

    given: the gradient of the normed, like x; `into` may be `given` itself where nothing is added. With g = given *
    weight and n = x * reciprocal, the gradient is reciprocal * (g - n * mean(g * n)), and the weight's sum(given * n).
    """
    native = _native(given, x, weight, into)
    backward = _backward_natively if native else _backward
    return backward(given, x, weight, reciprocal, plus_one=plus_one, into=into, add=add, learns=learns)


def naive_rms_norm(x: Tensor, weight: Tensor | None, eps: float, *, plus_one: bool = False) -> Tensor:
    """What `rms_norm` computes, for autograd: its oracle in tests."""
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return normed if weight is None else normed * (1 + weight if plus_one else weight)


def _norm(x: Tensor, weight: Tensor | None, eps: float, plus_one: bool, out: Tensor) -> Tensor:
    wide = _wide(x)
    reciprocal = torch.rsqrt(wide.square().mean(-1) + eps)
    out.copy_(_weighted(wide * reciprocal[..., None], weight, plus_one))
    return reciprocal


def _backward(
    given: Tensor, x: Tensor, weight: Tensor | None, reciprocal: Tensor, *, plus_one: bool, into: Tensor, add: bool,
    learns: bool,
) -> Tensor | None:
    wide, normed = _wide(given), _wide(x) * reciprocal[..., None]
    d_weight = (wide * normed).reshape(-1, x.shape[-1]).sum(0) if learns else None
    weighted = _weighted(wide, weight, plus_one)
    d_x = reciprocal[..., None] * (weighted - normed * (weighted * normed).mean(-1, keepdim=True))
    into.copy_(d_x + _wide(into) if add else d_x)
    return d_weight


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _weighted(wide: Tensor, weight: Tensor | None, plus_one: bool) -> Tensor:
    if weight is None:
        return wide
    return wide * (1 + _wide(weight) if plus_one else _wide(weight))


def _native(*tensors: Tensor | None) -> bool:
    there = [tensor for tensor in tensors if tensor is not None]
    return build.serves(*there) and all(each.dtype == there[0].dtype for each in there)


def _norm_natively(x: Tensor, weight: Tensor | None, eps: float, plus_one: bool, out: Tensor) -> Tensor:
    reciprocal = torch.empty(x.shape[:-1], dtype=torch.float32)
    run = _function("norm", x.dtype)
    run(*_rows(x), build.pointer(weight), plus_one, eps, *_rows(out), reciprocal.data_ptr(), *_sizes(x))
    return reciprocal


def _backward_natively(
    given: Tensor, x: Tensor, weight: Tensor | None, reciprocal: Tensor, *, plus_one: bool, into: Tensor, add: bool,
    learns: bool,
) -> Tensor | None:
    d_weight = torch.empty(x.shape[-1], dtype=torch.float32) if learns else None
    run = _function("norm_backward", x.dtype)
    run(*_rows(given), *_rows(x), build.pointer(weight), plus_one, reciprocal.data_ptr(), *_rows(into), add,
        build.pointer(d_weight), *_sizes(x))
    return d_weight


@functools.cache
def _function(name: str, dtype: torch.dtype) -> Callable[..., None]:
    run = build.function(f"{name}_{build.SUFFIXES[dtype]}", *_TYPES[name])
    assert run is not None
    return run


def _rows(tensor: Tensor) -> tuple[int, int, int]:
    """Address, and how many numbers lie between one row and the next, and one head and the next."""
    return tensor.data_ptr(), tensor.stride(0), tensor.stride(1)


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1] if x.ndim == 3 else 1, x.shape[-1]
