"""The products that training is made of, written into buffers that the caller owns.

`out=` everywhere, a low-rank addition folded into the product that it belongs to, and gradients of weights in float32.
Each is counted while someone counts.

Letters: M rows, N and K the two widths of a weight (N, K), R the rank of a low-rank addition.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

Low = tuple[Tensor, Tensor]


@dataclass(slots=True)
class Counts:
    """Products done and their floating-point operations: 2 m n k each, low-rank additions included."""

    calls: int = 0
    flops: int = 0


_counting: list[Counts] = []


class Matrix:
    """A weight (N, K) to multiply by. frozen: its numbers stay as they are for as long as this object is used."""

    __slots__ = ("frozen", "weight_NK")

    def __init__(self, weight_NK: Tensor, *, frozen: bool) -> None:
        self.weight_NK = weight_NK.detach()
        self.frozen = frozen


@contextmanager
def counted() -> Iterator[Counts]:
    """Count the products done inside, also by other threads."""
    counts = Counts()
    _counting.append(counts)
    try:
        yield counts
    finally:
        _counting.remove(counts)


def multiply(
    x_MK: Tensor, matrix: Matrix, out_MN: Tensor, *, bias_N: Tensor | None = None, low: Low | None = None
) -> None:
    """Make out = x W^T + bias + narrow wide^T, with low = (narrow (M, R), wide (N, R)).

    All tensors share a dtype; rows may lie apart, numbers of one row may not.
    """
    _count(x_MK.shape[0], matrix.weight_NK, low)
    wide_KN = matrix.weight_NK.t()
    if bias_N is None:
        torch.mm(x_MK, wide_KN, out=out_MN)
    else:
        torch.addmm(bias_N, x_MK, wide_KN, out=out_MN)
    if low is not None:
        out_MN.addmm_(low[0], low[1].t())


def multiply_back(
    given_MN: Tensor, matrix: Matrix, out_MK: Tensor, *, add: bool = False, low: Low | None = None
) -> None:
    """Make out (+)= given W + narrow wide, with low = (narrow (M, R), wide (R, K)): the gradient of `multiply`'s x."""
    _count(given_MN.shape[0], matrix.weight_NK, low)
    if add:
        out_MK.addmm_(given_MN, matrix.weight_NK)
    else:
        torch.mm(given_MN, matrix.weight_NK, out=out_MK)
    if low is not None:
        out_MK.addmm_(*low)


def multiply_across(
    left_MN: Tensor, right_MK: Tensor, out_NK: Tensor, *, add: bool = False, scale: float = 1.0
) -> None:
    """Make out (+)= scale left^T right, a sum over the rows: the gradient of a weight.

    left and right share a dtype; out has it too, or is float32 where they are bfloat16.
    """
    _count(left_MN.shape[0], out_NK, None)
    if out_NK.dtype == left_MN.dtype:
        torch.addmm(out_NK, left_MN.t(), right_MK, beta=float(add), alpha=scale, out=out_NK)
        return
    product = torch.mm(left_MN.t(), right_MK)
    if add:
        out_NK.add_(product, alpha=scale)
    else:
        torch.mul(product, scale, out=out_NK)


def _count(rows: int, other: Tensor, low: Low | None) -> None:
    for counts in _counting:
        counts.calls += 1
        counts.flops += 2 * rows * other.numel()
        if low is not None:
            counts.flops += 2 * rows * low[1].numel()
