"""Root-mean-square norms, forward and backward.

Letters: M rows, H width; a view (M, heads, D) is normed over its last dimension, each head by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rms_norm(
    x: Tensor, weight: Tensor | None, eps: float, *, plus_one: bool = False, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`x / sqrt(mean(x^2) + eps) * weight` in x's dtype, rounded once, and the reciprocal roots for the backward pass.

    x: (M, H), or a strided view (M, heads, D). weight: (H,) or (D,); none multiplies by one; with `plus_one` it stands
    for 1 + weight, as in Gemma. out: like x, and may be x itself. The roots have x's shape but for its last dimension,
    in float32 (float64 for float64). Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4.
    """
    out = torch.empty_like(x) if out is None else out
    return out, _rms_norm(x, weight, eps, plus_one, out)


def rms_norm_backward(
    given: Tensor, x: Tensor, weight: Tensor | None, reciprocal: Tensor, *, plus_one: bool = False, into: Tensor,
    add: bool = False, learns: bool = False,
) -> Tensor | None:
    """Write the gradient of x to `into`, or add it there; returns the weight's where it `learns`, in float32 or better.

    given: the gradient of the normed, like x; `into` may be `given` itself where nothing is added. With g = given *
    weight and n = x * reciprocal, the gradient is reciprocal * (g - n * mean(g * n)), and the weight's sum(given * n).
    """
    return _rms_norm_backward(given, x, weight, reciprocal, plus_one, into, add, learns)


def naive_rms_norm(x: Tensor, weight: Tensor | None, eps: float, *, plus_one: bool = False) -> Tensor:
    """What `rms_norm` computes, for autograd: its oracle in tests."""
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return normed if weight is None else normed * (1 + weight if plus_one else weight)


def _rms_norm(x: Tensor, weight: Tensor | None, eps: float, plus_one: bool, out: Tensor) -> Tensor:
    wide = _wide(x)
    reciprocal = torch.rsqrt(wide.square().mean(-1) + eps)
    out.copy_(_weighted(wide * reciprocal[..., None], weight, plus_one))
    return reciprocal


def _rms_norm_backward(
    given: Tensor, x: Tensor, weight: Tensor | None, reciprocal: Tensor, plus_one: bool, into: Tensor, add: bool,
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
