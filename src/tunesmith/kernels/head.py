"""Log-probabilities of targets without ever holding the logits of more than a few rows.

The forward pass visits the rows in chunks and keeps, besides the answer, its slope d log p / d hidden (one H-vector a
row); the backward pass multiplies that by whatever arrives, so any function of the log-probabilities is served. The
gradient of the head's own weight is one product over all rows of what the forward pass has left of the logits, where
that is small enough to be kept; else they are made once more, in chunks of the vocabulary. Nothing is added up in low
precision.

Letters: S rows, H hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import products
from .cross_entropy import Shape as Shape  # callers know it as the head's
from .cross_entropy import Sums, answer, excess, shaped
from .products import Matrix

# 256 rows of SmolLM2's vocabulary: 25 MB in bf16. Smaller chunks make thin products, larger ones leave the cache.
CHUNK_NUMBERS = 256 * 49152
# Where the head learns, 128 MB in bf16: they save a product as large as the forward one.
KEPT_NUMBERS = 1 << 26


def log_probabilities(
    hidden_SH: Tensor, weight_VH: Tensor | Matrix, targets_S: Tensor, *, bias_V: Tensor | None = None,
    shape: Shape | None = None, chunk_numbers: int = CHUNK_NUMBERS, kept_numbers: int = KEPT_NUMBERS,
) -> Tensor:
    """(S,) log-probability of each row's target, float32 (float64 where the hidden states are), with the graph.

    hidden_SH and weight_VH share a dtype; targets_S is int64. A frozen head is best given as a Matrix that the caller
    keeps: it is then laid out for the products only once. chunk_numbers: how many logits are held at once;
    kept_numbers: how many at most until the backward pass, where the head learns. Raises IndexError for a target
    outside the vocabulary. Source: the slope is E[t] - softmax(logits) E, the derivative of log-softmax.
    """
    weight, matrix = None, weight_VH
    if not isinstance(matrix, Matrix):
        weight, matrix = matrix, Matrix(matrix, frozen=True)  # for as long as this call lasts
    work = _Work(matrix, targets_S, shape or Shape(), chunk_numbers, kept_numbers)
    found: Tensor = _LogProbabilities.apply(hidden_SH, weight, bias_V, work)  # type: ignore[no-untyped-call]
    return found


def naive_log_probabilities(
    hidden_SH: Tensor, weight_VH: Tensor, targets_S: Tensor, *, bias_V: Tensor | None = None, shape: Shape | None = None
) -> Tensor:
    """What `log_probabilities` computes, said in four lines: its oracle in tests."""
    logits = shaped(torch.nn.functional.linear(hidden_SH, weight_VH, bias_V), shape or Shape())
    return torch.log_softmax(logits, dim=-1).gather(1, targets_S[:, None])[:, 0]


@dataclass(frozen=True, slots=True)
class _Work:
    """What a call was given beside the tensors that may learn."""

    matrix: Matrix
    targets: Tensor
    shape: Shape
    chunk_numbers: int
    kept_numbers: int


class _LogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor | None, bias: Tensor | None, work: _Work) -> Tensor:
        rows, vocabulary = hidden.shape[0], work.matrix.weight_NK.shape[0]
        wide = torch.float64 if hidden.dtype == torch.float64 else torch.float32
        answers, tops, totals = (torch.empty(rows, dtype=wide, device=hidden.device) for _ in range(3))
        sums = Sums(tops, totals)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        at_once = max(1, work.chunk_numbers // vocabulary)
        keep = any(ctx.needs_input_grad[1:3]) and rows * vocabulary <= work.kept_numbers
        logits = hidden.new_empty(rows if keep else min(rows, at_once), vocabulary)
        for part in _slices(rows, at_once):
            chunk = logits[part] if keep else logits[: part.stop - part.start]
            products.multiply(hidden[part], work.matrix, chunk, bias_N=bias)
            answer(chunk, work.targets[part], work.shape, sums.part(part), answers[part])
            if slopes is not None:
                products.multiply_back(chunk, work.matrix, slopes[part])
        ctx.shape, ctx.sums, ctx.chunk_numbers = work.shape, sums, work.chunk_numbers
        ctx.weight_dtype = _gradient_dtype(weight)
        ctx.save_for_backward(slopes, hidden, work.matrix.weight_NK, bias, work.targets, logits if keep else None)
        return answers

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        slopes, hidden, weight, bias, targets, logits = ctx.saved_tensors
        needs = ctx.needs_input_grad
        factors = (arriving[0] * -ctx.shape.scale / ctx.sums.totals)[:, None]
        d_hidden = (slopes * factors).to(hidden.dtype) if needs[0] else None
        d_weight = torch.empty_like(weight, dtype=ctx.weight_dtype) if needs[1] else None
        d_bias = torch.empty_like(bias) if needs[2] else None
        if d_weight is not None or d_bias is not None:
            given = (hidden * factors).to(hidden.dtype)
            whole = [(slice(None), logits)]
            for part, gradient in whole if logits is not None else _again(ctx, hidden, weight, bias, targets):
                if d_weight is not None:
                    products.multiply_across(gradient, given, d_weight[part])
                if d_bias is not None:
                    d_bias[part] = (gradient.to(factors.dtype).T @ factors)[:, 0]
        return d_hidden, d_weight, d_bias, None


def _again(
    ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """What the forward pass left of the logits, made once more for one part of the vocabulary after another."""
    parts = _slices(weight.shape[0], ctx.chunk_numbers // max(1, len(hidden)))
    buffer = hidden.new_empty(len(hidden), parts[0].stop)
    for part in parts:
        logits = buffer[:, : part.stop - part.start]
        piece = None if bias is None else bias[part]
        products.multiply(hidden, Matrix(weight[part], frozen=False), logits, bias_N=piece)
        excess(logits, targets - part.start, ctx.shape, ctx.sums)
        yield part, logits


def _gradient_dtype(weight: Tensor | None) -> torch.dtype | None:
    """What the weight's gradient is wanted in: float32 for the bfloat16 weights that learn."""
    if weight is None:
        return None
    return (weight.grad_dtype if weight.is_leaf else None) or weight.dtype


def _slices(total: int, size: int) -> list[slice]:
    """`total` cut into consecutive slices of at most `size`, at least one long."""
    size = max(1, size)
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
