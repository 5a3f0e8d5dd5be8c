"""Layer norms, forward and backward, each taking up the branch that is added before it; and sums over rows.

Letters: M rows, H width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import build
from .build import POINTER, REAL, WHOLE

_ROWS = (POINTER, WHOLE)
_TYPES: dict[str, tuple[Any, ...]] = {
    "layer_norm": (*_ROWS, *_ROWS, POINTER, POINTER, REAL, *_ROWS, POINTER, POINTER, WHOLE, WHOLE),
    "layer_norm_backward": (*_ROWS, *_ROWS, *[POINTER] * 3, *_ROWS, POINTER, POINTER, WHOLE, WHOLE),
    "sum_rows": (*_ROWS, POINTER, WHOLE, WHOLE),
}
Moments = tuple[Tensor, Tensor]


def layer_norm(
    x_MH: Tensor, weight_H: Tensor, bias_H: Tensor, eps: float, *, out_MH: Tensor, added_MH: Tensor | None = None
) -> Moments:
    """Write `(x - mean) / sqrt(variance + eps) * weight + bias` to `out`; returns mean and reciprocal root of each row.

    added: taken up into x first, in x's own memory. out may be x itself where the way back is not asked for. The
    moments, (M,), are float32 (float64 for float64). Source: Ba et al. 2016, "Layer Normalization", eq. 4.
    """
    native = _native(x_MH, weight_H, bias_H, out_MH, added_MH)
    return (_norm_natively if native else _norm)(x_MH, weight_H, bias_H, eps, out=out_MH, added=added_MH)


def layer_norm_backward(
    given_MH: Tensor, x_MH: Tensor, weight_H: Tensor, moments: Moments, *, into_MH: Tensor, learns: bool = False
) -> Moments | None:
    """Write the gradient of x to `into`; returns the weight's and the bias's where they learn, in float32 or better.

    into may be `given` itself. With g = given * weight and n = (x - mean) / root, the gradient is
    (g - mean(g) - n * mean(g * n)) / root, the weight's sum(given * n) and the bias's sum(given).
    """
    native = _native(given_MH, x_MH, weight_H, into_MH)
    return (_backward_natively if native else _backward)(given_MH, x_MH, weight_H, moments, into=into_MH, learns=learns)


def naive_layer_norm(x_MH: Tensor, weight_H: Tensor, bias_H: Tensor, eps: float) -> Tensor:
    """What `layer_norm` computes, for autograd: its oracle in tests."""
    centred = x_MH - x_MH.mean(-1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps) * weight_H + bias_H


def sum_rows(x_MH: Tensor) -> Tensor:
    """(H,) the sum over the rows, in float32 (float64 for float64): the gradient of a bias."""
    if not build.serves(x_MH):
        return torch.sum(x_MH, 0, dtype=_exact(x_MH))
    out = torch.empty(x_MH.shape[1], dtype=torch.float32)
    _function("sum_rows", x_MH.dtype)(*_rows(x_MH), out.data_ptr(), *x_MH.shape)
    return out


def _norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float, *, out: Tensor, added: Tensor | None) -> Moments:
    if added is not None:
        x += added
    wide = x.to(_exact(x))
    mean = wide.mean(-1)
    centred = wide - mean[:, None]
    reciprocal = torch.rsqrt(centred.square().mean(-1) + eps)
    out.copy_(centred * reciprocal[:, None] * weight.to(wide.dtype) + bias.to(wide.dtype))
    return mean, reciprocal


def _backward(
    given: Tensor, x: Tensor, weight: Tensor, moments: Moments, *, into: Tensor, learns: bool
) -> Moments | None:
    mean, reciprocal = (each[:, None] for each in moments)
    wide, normed = given.to(mean.dtype), (x.to(mean.dtype) - mean) * reciprocal
    found = ((wide * normed).sum(0), wide.sum(0)) if learns else None
    weighted = wide * weight.to(mean.dtype)
    slope = (weighted * normed).mean(-1, keepdim=True)
    into.copy_((weighted - weighted.mean(-1, keepdim=True) - normed * slope) * reciprocal)
    return found


def _exact(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _native(*tensors: Tensor | None) -> bool:
    there = [tensor for tensor in tensors if tensor is not None]
    return build.serves(*there) and all(each.dtype == there[0].dtype for each in there)


def _norm_natively(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, *, out: Tensor, added: Tensor | None
) -> Moments:
    moments = torch.empty(2, len(x), dtype=torch.float32)
    other = (None, 0) if added is None else _rows(added)
    _function("layer_norm", x.dtype)(*_rows(x), *other, weight.data_ptr(), bias.data_ptr(), eps, *_rows(out),
                                     moments[0].data_ptr(), moments[1].data_ptr(), *x.shape)
    return moments[0], moments[1]


def _backward_natively(
    given: Tensor, x: Tensor, weight: Tensor, moments: Moments, *, into: Tensor, learns: bool
) -> Moments | None:
    found = (torch.empty(x.shape[1]), torch.empty(x.shape[1])) if learns else None
    _function("layer_norm_backward", x.dtype)(
        *_rows(given), *_rows(x), weight.data_ptr(), *(each.data_ptr() for each in moments), *_rows(into),
        *((each.data_ptr() for each in found) if found else (None, None)), *x.shape)
    return found


@functools.cache
def _function(name: str, dtype: torch.dtype) -> Callable[..., None]:
    run = build.function(f"{name}_{build.SUFFIXES[dtype]}", *_TYPES[name])
    assert run is not None
    return run


def _rows(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.stride(0)
