"""Log-probabilities of targets without ever holding the logits of more than a few rows.

The forward pass visits the rows in chunks and keeps, besides the answer, its slope d log p / d hidden (one H-vector a
row); the backward pass multiplies that by whatever arrives, so any function of the log-probabilities is served. The
gradient of the head's own weight is made in the backward pass, in chunks of the vocabulary: each chunk is one product
over all rows, and nothing is added up in low precision.

Letters: S rows, H hidden width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

# 256 rows of SmolLM2's vocabulary: 25 MB in bf16. Smaller chunks make thin products, larger ones leave the cache.
CHUNK_NUMBERS = 256 * 49152


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network does to its logits after the product: `logits * scale`, then `softcap * tanh(logits / softcap)`.

    `chunk_numbers` is how many logits are held at once.
    """

    scale: float = 1.0
    softcap: float | None = None
    chunk_numbers: int = CHUNK_NUMBERS


def log_probabilities(
    hidden_SH: Tensor, weight_VH: Tensor, targets_S: Tensor, *, bias_V: Tensor | None = None, shape: Shape | None = None
) -> Tensor:
    """(S,) log-probability of each row's target, float32 (float64 where the hidden states are), with the graph.

    hidden_SH and weight_VH share a dtype; targets_S is int64. Source: the slope is E[t] - softmax(logits) E, the
    derivative of log-softmax.
    """
    answer: Tensor = _LogProbabilities.apply(hidden_SH, weight_VH, bias_V, targets_S, shape or Shape())  # type: ignore[no-untyped-call]
    return answer


def naive_log_probabilities(
    hidden_SH: Tensor, weight_VH: Tensor, targets_S: Tensor, *, bias_V: Tensor | None = None, shape: Shape | None = None
) -> Tensor:
    """What `log_probabilities` computes, said in four lines: its oracle in tests."""
    logits = _shaped(torch.nn.functional.linear(hidden_SH, weight_VH, bias_V), shape or Shape())
    return torch.log_softmax(logits, dim=-1).gather(1, targets_S[:, None])[:, 0]


def _shaped(linear: Tensor, shape: Shape) -> Tensor:
    """The logits of a linear product, in float32 or better."""
    logits = linear if linear.dtype == torch.float64 else linear.float()
    if shape.scale != 1.0:
        logits = logits * shape.scale
    return logits if shape.softcap is None else shape.softcap * torch.tanh(logits / shape.softcap)


class _LogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, shape: Shape
    ) -> Tensor:
        rows, wide = hidden.shape[0], torch.float64 if hidden.dtype == torch.float64 else torch.float32
        answer = torch.empty(rows, dtype=wide, device=hidden.device)
        norms = torch.empty_like(answer)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for part in _slices(rows, shape.chunk_numbers // weight.shape[0]):
            logits = _shaped(torch.nn.functional.linear(hidden[part], weight, bias), shape)
            logs = torch.log_softmax(logits, dim=-1)
            aim = targets[part, None]
            answer[part] = logs.gather(1, aim)[:, 0]
            norms[part] = logits.gather(1, aim)[:, 0] - answer[part]
            if slopes is not None:
                excess = _excess(logs.exp_(), logits, targets[part], shape)
                torch.mm(excess.to(hidden.dtype), weight, out=slopes[part])
        ctx.shape = shape
        ctx.save_for_backward(slopes, hidden, weight, bias, targets, norms)
        return answer

    @staticmethod
    def backward(ctx: FunctionCtx, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        slopes, hidden, weight, bias, targets, norms = ctx.saved_tensors  # type: ignore[attr-defined]
        needs: tuple[bool, ...] = ctx.needs_input_grad  # type: ignore[attr-defined]
        given = -arriving[0][:, None]
        d_hidden = (slopes * given).to(hidden.dtype) if needs[0] else None
        d_weight = torch.empty_like(weight) if needs[1] else None
        d_bias = torch.empty_like(bias) if needs[2] else None
        if d_weight is None and d_bias is None:
            return d_hidden, None, None, None, None
        shape: Shape = ctx.shape  # type: ignore[attr-defined]
        for part in _slices(weight.shape[0], shape.chunk_numbers // max(1, len(hidden))):
            piece = None if bias is None else bias[part]
            logits = _shaped(torch.nn.functional.linear(hidden, weight[part], piece), shape)
            shares = (logits - norms[:, None]).exp_()
            excess = _excess(shares, logits, targets - part.start, shape).mul_(given)
            if d_weight is not None:
                d_weight[part] = excess.to(hidden.dtype).T @ hidden
            if d_bias is not None:
                d_bias[part] = excess.sum(0)
        return d_hidden, d_weight, d_bias, None, None


def _excess(shares: Tensor, logits: Tensor, targets: Tensor, shape: Shape) -> Tensor:
    """Softmax minus the target's one, carried back to the linear product: the negative slope of log p. In place.

    The columns may be a part of the vocabulary, which then need not hold a row's target.
    """
    inside = (targets >= 0) & (targets < shares.shape[1])
    shares.scatter_add_(1, targets.clamp(0, shares.shape[1] - 1)[:, None], -inside[:, None].to(shares.dtype))
    if shape.softcap is not None:
        shares *= 1 - (logits / shape.softcap) ** 2
    return shares.mul_(shape.scale) if shape.scale != 1.0 else shares


def _slices(total: int, size: int) -> list[slice]:
    """`total` cut into consecutive slices of at most `size`, at least one long."""
    size = max(1, size)
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
