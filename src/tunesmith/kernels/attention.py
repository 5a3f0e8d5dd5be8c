"""Causal attention over documents packed in one flat row: each attends to itself only, no padding and no mask.

Letters: M rows of all documents, S rows of one, H query heads, K key/value heads, G = H / K heads that share one,
D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..errors import Refusal

NAME = "tunesmith"
# Longest document whose backward pass is plain products. One core of a Xeon without AMX, 9 heads over 3, milliseconds
# for 1,840 rows, plain against torch's own, in bfloat16: 20 to 65 at 48 rows, 51 to 70 at 230, 75 to 67 at 400; in
# float32: 18 to 19 at 64 rows, 43 to 39 at 230. The forward pass of torch's own is always faster.
PLAIN_UP_TO = {torch.bfloat16: 320}
CHANGE_SCORES = ("s_aux", "position_bias", "cache")


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores become weights: `scale * q.k`, `softcap * tanh(. / softcap)`, and only the last `window` rows seen."""

    scale: float
    softcap: float | None = None
    window: int | None = None
    dropout: float = 0.0


def attention(query_HMD: Tensor, key_KMD: Tensor, value_KMD: Tensor, borders: Sequence[int], rule: Rule) -> Tensor:
    """(M, H, D): every row attends to the rows of its own document up to itself.

    borders: (documents + 1,) first row of each document, and M.
    """
    lengths = [end - start for start, end in pairwise(borders)]
    parts = (torch.split(tensor, lengths, dim=1) for tensor in (query_HMD, key_KMD, value_KMD))
    answers = [_one_document(query, key, value, rule) for query, key, value in zip(*parts, strict=True)]
    return torch.cat([answer.transpose(0, 1) for answer in answers])


def naive_attention(
    query_HMD: Tensor, key_KMD: Tensor, value_KMD: Tensor, borders: Sequence[int], rule: Rule
) -> Tensor:
    """What `attention` computes, over all rows at once with a mask: its oracle in tests."""
    shared = query_HMD.shape[0] // key_KMD.shape[0]
    key, value = key_KMD.repeat_interleave(shared, 0), value_KMD.repeat_interleave(shared, 0)
    rows = torch.arange(query_HMD.shape[1], device=query_HMD.device)
    document = torch.bucketize(rows, torch.tensor(borders[1:], device=rows.device), right=True)
    distance = rows[:, None] - rows[None, :]
    seen = (distance >= 0) & (document[:, None] == document[None, :])
    if rule.window is not None:
        seen &= distance < rule.window
    scores = query_HMD @ key.transpose(1, 2) * rule.scale
    if rule.softcap is not None:
        scores = rule.softcap * torch.tanh(scores / rule.softcap)
    return (scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value).transpose(0, 1)


def _one_document(query_HSD: Tensor, key_KSD: Tensor, value_KSD: Tensor, rule: Rule) -> Tensor:
    """(H, S, D), causal within the document."""
    rows = query_HSD.shape[1]
    if rule.softcap is not None or (rule.window is not None and rule.window < rows):
        return naive_attention(query_HSD, key_KSD, value_KSD, (0, rows), rule).transpose(0, 1)
    short = rows <= PLAIN_UP_TO.get(query_HSD.dtype, 0) and query_HSD.device.type == "cpu"
    if short and query_HSD.requires_grad and not rule.dropout:
        answer: Tensor = _PlainBackward.apply(query_HSD, key_KSD, value_KSD, rule.scale)  # type: ignore[no-untyped-call]
        return answer
    return _torchs_own(query_HSD, key_KSD, value_KSD, rule.scale, rule.dropout)


def _torchs_own(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float = 0.0) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(
        query[None], key[None], value[None], is_causal=True, scale=scale, dropout_p=dropout,
        enable_gqa=query.shape[0] != key.shape[0],
    )[0]


class _PlainBackward(torch.autograd.Function):
    """Torch's own forward, and a backward of five plain products, which is faster for short documents.

    The G query heads that share a key head are stacked: their sum is part of the product.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        ctx.save_for_backward(query, key, value)
        return _torchs_own(query, key, value, scale)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        heads, rows, width = query.shape
        stacked = (key.shape[0], heads // key.shape[0] * rows, width)
        query, given = query.reshape(stacked), arriving[0].reshape(stacked)
        later = torch.full((rows, rows), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
        scores = torch.bmm(query * ctx.scale, key.transpose(1, 2))
        scores.view(heads, rows, rows).add_(later)
        weights = scores.softmax(-1)
        d_value = torch.bmm(weights.transpose(1, 2), given)
        d_weights = torch.bmm(given, value.transpose(1, 2))
        d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype).mul_(ctx.scale)
        d_key = torch.bmm(d_scores.transpose(1, 2), query)
        return torch.bmm(d_scores, key).view(heads, rows, width), d_key, d_value, None


def capped_attention(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, rule: Rule) -> Tensor:
    """(B, Q, H, D): attention with a soft cap for padded or cached rows, which torch's own does not offer.

    query: (B, H, Q, D); key, value: (B, K, rows, D); seen: (B, 1, Q, rows) bool, or None where each of Q = rows sees
    what stands before it (a single one sees all).
    """
    shared, rows = query.shape[1] // key.shape[1], query.shape[2]
    if seen is None:
        seen = torch.ones(rows, key.shape[2], dtype=torch.bool, device=query.device)
        seen = seen if rows == 1 else seen.tril()
    scores = query @ key.repeat_interleave(shared, 1).transpose(2, 3) * rule.scale
    if rule.softcap is not None:
        scores = rule.softcap * torch.tanh(scores / rule.softcap)
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1, dtype=torch.float32).nan_to_num()  # rows of padding
    return (weights.to(value.dtype) @ value.repeat_interleave(shared, 1)).transpose(1, 2)


def packed_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    *, borders: Sequence[int], scaling: float, dropout: float = 0.0, softcap: float | None = None,
    sliding_window: int | None = None, **others: Any,
) -> tuple[Tensor, None]:
    """Answer as transformers' attention interface asks: (1, M, H, D), and no weights.

    Raises Refusal for what would change the scores and is not known here.
    """
    strange = sorted(name for name in CHANGE_SCORES if others.get(name) is not None)
    if strange:
        raise Refusal("model.attention", f"this base's attention uses `{strange[0]}`, which is not supported", "",
                      "use another base")
    rule = Rule(scale=scaling, softcap=softcap, window=sliding_window, dropout=dropout)
    return attention(query[0], key[0], value[0], borders, rule)[None], None
