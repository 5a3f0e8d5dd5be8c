"""Attention over documents packed in one flat row: each attends to itself only, no padding and no mask.

Letters: M rows of all documents, S rows of one, H query heads, K key/value heads, G = H / K heads that share one,
D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..errors import Refusal
from . import attention_blocks, attention_native, varlen
from .rule import Rule

NAME = "tunesmith"
CHANGE_SCORES = ("s_aux", "position_bias", "cache")


def forward(
    query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor, borders: Sequence[int], rule: Rule, *, out_MHD: Tensor
) -> Tensor:
    """(H, M) log of the sum of exponentials of each row's scores, in float32 (float64 for float64); fills `out_MHD`.

    Every row attends to the rows of its own document that the rule lets it see. Inputs and `out_MHD` may be slices of
    one buffer; only their last dimension must be contiguous. No dropout.
    borders: (documents + 1,) first row of each document, and M.
    """
    if attention_native.serves(rule, query_MHD, key_MKD, value_MKD, out_MHD) and attention_native.leads_forward():
        return attention_native.forward(query_MHD, key_MKD, value_MKD, borders, rule, out_MHD=out_MHD)
    return attention_blocks.forward(query_MHD, key_MKD, value_MKD, borders, rule, out_MHD=out_MHD)


def backward(
    given_MHD: Tensor, out_MHD: Tensor, query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor,
    *, lse_HM: Tensor, borders: Sequence[int], rule: Rule, into: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Fill `into` with the gradients by query, key and value, from the one by the answer; the scores are made again.

    into: shaped as query, key and value, also slices of one buffer, but not of theirs.
    """
    tensors = given_MHD, out_MHD, query_MHD, key_MKD, value_MKD
    native = attention_native.serves(rule, *tensors, *into)
    compute = attention_native.backward if native else attention_blocks.backward
    compute(*tensors, lse_HM=lse_HM, borders=borders, rule=rule, into=into)


def attention(query_HMD: Tensor, key_KMD: Tensor, value_KMD: Tensor, borders: Sequence[int], rule: Rule) -> Tensor:
    """(M, H, D): `forward` for autograd, and with dropout, as transformers lays its tensors out."""
    if varlen.serves(query_HMD.device, query_HMD.dtype, query_HMD.shape[2], rule):
        return varlen.attention(query_HMD, key_KMD, value_KMD, tuple(borders), rule)
    if rule.dropout or query_HMD.device.type != "cpu":
        lengths = [end - start for start, end in pairwise(borders)]
        parts = (torch.split(tensor, lengths, dim=1) for tensor in (query_HMD, key_KMD, value_KMD))
        documents = [_torchs_own(query, key, value, rule) for query, key, value in zip(*parts, strict=True)]
        return torch.cat([document.transpose(0, 1) for document in documents])
    rows = (tensor.transpose(0, 1) for tensor in (query_HMD, key_KMD, value_KMD))
    answer: Tensor = _Attention.apply(*rows, borders, rule)  # type: ignore[no-untyped-call]
    return answer


class _Attention(torch.autograd.Function):
    """`forward` and `backward` as autograd calls them."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        query, key, value = (tensor if tensor.stride(-1) == 1 else tensor.contiguous() for tensor in inputs[:3])
        ctx.borders, ctx.rule = inputs[3:]
        answer = torch.empty(query.shape, dtype=query.dtype)
        lse_HM = forward(query, key, value, ctx.borders, ctx.rule, out_MHD=answer)
        ctx.save_for_backward(answer, query, key, value, lse_HM)
        return answer

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        answer, query, key, value, lse_HM = ctx.saved_tensors
        into = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        given = arriving[0] if arriving[0].stride(-1) == 1 else arriving[0].contiguous()
        backward(given, answer, query, key, value, lse_HM=lse_HM, borders=ctx.borders, rule=ctx.rule, into=into)
        return *into, None, None


def naive_attention(
    query_HMD: Tensor, key_KMD: Tensor, value_KMD: Tensor, borders: Sequence[int], rule: Rule
) -> Tensor:
    """What `attention` computes, over all rows at once with a mask: its oracle in tests."""
    shared = query_HMD.shape[0] // key_KMD.shape[0]
    key, value = key_KMD.repeat_interleave(shared, 0), value_KMD.repeat_interleave(shared, 0)
    rows = torch.arange(query_HMD.shape[1], device=query_HMD.device)
    document = torch.bucketize(rows, torch.tensor(borders[1:], device=rows.device), right=True)
    distance = rows[:, None] - rows[None, :]
    seen = document[:, None] == document[None, :]
    if rule.causal:
        seen &= distance >= 0
    if rule.window is not None:
        seen &= distance.abs() < rule.window
    scores = query_HMD @ key.transpose(1, 2) * rule.scale
    if rule.softcap is not None:
        scores = rule.softcap * torch.tanh(scores / rule.softcap)
    weights = torch.nn.functional.dropout(scores.masked_fill(~seen, -torch.inf).softmax(-1), rule.dropout)
    return (weights @ value).transpose(0, 1)


def _torchs_own(query_HSD: Tensor, key_KSD: Tensor, value_KSD: Tensor, rule: Rule) -> Tensor:
    """(H, S, D), within one document."""
    rows = query_HSD.shape[1]
    if rule.softcap is not None or (rule.window is not None and rule.window < rows):
        return naive_attention(query_HSD, key_KSD, value_KSD, (0, rows), rule).transpose(0, 1)
    return torch.nn.functional.scaled_dot_product_attention(
        query_HSD[None], key_KSD[None], value_KSD[None], is_causal=rule.causal, scale=rule.scale,
        dropout_p=rule.dropout, enable_gqa=query_HSD.shape[0] != key_KSD.shape[0],
    )[0]


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

    A module that does not say that it is not causal is, as for transformers' own attention. Raises Refusal for what
    would change the scores and is not known here.
    """
    strange = sorted(name for name in CHANGE_SCORES if others.get(name) is not None)
    if strange:
        raise Refusal("model.attention", f"this base's attention uses `{strange[0]}`, which is not supported", "",
                      "use another base")
    rule = Rule(scaling, softcap, sliding_window, dropout, causal=is_causal(module))
    return attention(query[0], key[0], value[0], borders, rule)[None], None


def is_causal(module: torch.nn.Module) -> bool:
    """Whether an attention of transformers sees only what stands before a row."""
    return bool(vars(module).get("is_causal", True))
