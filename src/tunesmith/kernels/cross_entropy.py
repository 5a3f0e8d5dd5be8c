"""From logits, in place: the log-probability of each row's target, and the gradient of its negative.

A row of logits becomes z (softmax - onehot), with z its sum of e^(logit - largest). Whoever uses it divides by z, once
for a row and not once for each of its numbers.

Letters: S rows, V vocabulary, or some columns of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import build
from .build import POINTER, REAL, WHOLE

_LOGITS = (POINTER, WHOLE, WHOLE, WHOLE, POINTER, REAL, REAL)  # and its row stride, its sizes, the targets, the shape
_TYPES: dict[str, tuple[Any, ...]] = {
    "log_probabilities": (*_LOGITS, POINTER, POINTER, POINTER),
    "excesses": (*_LOGITS, POINTER, POINTER),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What becomes of the logits after the product: `logits * scale`, then `softcap * tanh(logits / softcap)`."""

    scale: float = 1.0
    softcap: float | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """Of each row, (S,): its largest logit, and the sum of e^(logit - largest). In float32 or better."""

    tops: Tensor
    totals: Tensor

    def part(self, part: slice) -> Sums:
        """The same memory, of some rows."""
        return Sums(self.tops[part], self.totals[part])


def answer(logits_SV: Tensor, targets_S: Tensor, shape: Shape, sums: Sums, answers_S: Tensor) -> None:
    """Fill the answers and the sums, and put z (softmax - onehot) in the place of the head's product.

    At least one row. With a softcap, each number carries the cap's slope too; the scale is left to the caller. Raises
    IndexError for a target outside the columns.
    """
    inside = 0 <= int(targets_S.min()) <= int(targets_S.max()) < logits_SV.shape[1] if targets_S.is_cpu else True
    if not inside:  # an accelerator asserts it by itself, and to ask would wait for it
        raise IndexError(f"a target lies outside the {logits_SV.shape[1]} words of the vocabulary")
    if build.serves(logits_SV):
        _run("log_probabilities", logits_SV, targets_S, shape, answers_S, sums.tops, sums.totals)
        return
    logits = shaped(logits_SV, shape)
    sums.tops.copy_(logits.amax(-1))
    shares = (logits - sums.tops[:, None]).exp_()
    sums.totals.copy_(shares.sum(-1))
    answers_S.copy_(logits.gather(1, targets_S[:, None])[:, 0] - sums.tops - sums.totals.log())
    logits_SV.copy_(_lowered(shares, logits, targets_S, shape, sums))


def excess(logits_SV: Tensor, targets_S: Tensor, shape: Shape, sums: Sums) -> None:
    """What `answer` leaves of the logits, where the sums are known already.

    The columns may be a part of the vocabulary, and the targets then be counted from the first of them: a row whose
    target lies elsewhere has nothing taken away.
    """
    if build.serves(logits_SV):
        _run("excesses", logits_SV, targets_S, shape, sums.tops, sums.totals)
        return
    logits = shaped(logits_SV, shape)
    shares = (logits - sums.tops[:, None]).exp_()
    logits_SV.copy_(_lowered(shares, logits, targets_S, shape, sums))


def shaped(product: Tensor, shape: Shape) -> Tensor:
    """The logits of a head's product, in float32 or better."""
    logits = product if product.dtype == torch.float64 else product.float()
    if shape.scale != 1.0:
        logits = logits * shape.scale
    return logits if shape.softcap is None else shape.softcap * torch.tanh(logits / shape.softcap)


def _lowered(shares: Tensor, logits: Tensor, targets: Tensor, shape: Shape, sums: Sums) -> Tensor:
    inside = (targets >= 0) & (targets < shares.shape[1])
    shares.scatter_add_(1, targets.clamp(0, shares.shape[1] - 1)[:, None], -(sums.totals * inside)[:, None])
    return shares if shape.softcap is None else shares.mul_(1 - (logits / shape.softcap) ** 2)


def _run(name: str, logits: Tensor, targets: Tensor, shape: Shape, *sums: Tensor) -> None:
    targets = targets.contiguous()
    _function(name, logits.dtype)(
        logits.data_ptr(), logits.stride(0), *logits.shape, targets.data_ptr(), shape.scale, shape.softcap or 0.0,
        *(each.data_ptr() for each in sums),
    )


@functools.cache
def _function(name: str, dtype: torch.dtype) -> Callable[..., None]:
    run = build.function(f"{name}_{build.SUFFIXES[dtype]}", *_TYPES[name])
    assert run is not None
    return run
