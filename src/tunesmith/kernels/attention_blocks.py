"""Attention in torch: the twin of the native kernel, and its fallback.

Where torch's own kernel for the processor is faster, it does the work; else plain products over blocks of query rows.
The query heads that share a key head are stacked, so that their sum is part of the product, and a block is multiplied
with the keys that it may see only: where it is causal nothing that stands later, and nothing outside a window.
Letters: as in `attention`; B query rows of a block, N keys that one of them sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from . import ideas
from .rule import Rule

# Longest document whose backward pass is plain products. One core of a Xeon without AMX, 9 heads over 3, milliseconds
# for 1,840 rows, plain against torch's own, in bfloat16: 20 to 65 at 48 rows, 51 to 70 at 230, 75 to 67 at 400; in
# float32: 18 to 19 at 64 rows, 43 to 39 at 230. The forward pass of torch's own is always faster.
PLAIN_UP_TO = {torch.bfloat16: 320}
WHOLE, ROWS = 320, 64  # rows of a document that is taken whole, and of a block of a longer one


def forward(
    query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor, borders: Sequence[int], rule: Rule, *, out_MHD: Tensor
) -> Tensor:
    """As `attention.forward`."""
    lse_HM = query_MHD.new_empty((query_MHD.shape[1], len(query_MHD)), dtype=_exact(query_MHD))
    for start, end in pairwise(borders):
        rows = slice(start, end)
        query, key, value, out, lse = query_MHD[rows], key_MKD[rows], value_MKD[rows], out_MHD[rows], lse_HM[:, rows]
        if _torch_knows(rule, query):
            answer, lse[:] = (each[0] for each in torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                *_heads_first(query, key, value), 0.0, rule.causal, scale=rule.scale))
            out[:] = answer.transpose(0, 1)
        else:
            _forward(query, key, value, rule, out_SHD=out, lse_HS=lse)
    return lse_HM


def backward(
    given_MHD: Tensor, out_MHD: Tensor, query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor,
    *, lse_HM: Tensor, borders: Sequence[int], rule: Rule, into: tuple[Tensor, Tensor, Tensor],
) -> None:
    """As `attention.backward`."""
    for start, end in pairwise(borders):
        rows = slice(start, end)
        given, query, key, value, out = (
            tensor[rows] for tensor in (given_MHD, query_MHD, key_MKD, value_MKD, out_MHD))
        slopes, lse = [to[rows] for to in into], lse_HM[:, rows]
        plain = len(query) <= PLAIN_UP_TO.get(query.dtype, 0) and ideas.on("attention")
        if _torch_knows(rule, query) and not plain:
            made = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                *_heads_first(given, query, key, value, out), lse[None], 0.0, rule.causal, scale=rule.scale)
            for to, slope in zip(slopes, made, strict=True):
                to[:] = slope[0].transpose(0, 1)
        else:
            _backward(given, out, query, key, value, lse_HS=lse, rule=rule, into=slopes)


def _torch_knows(rule: Rule, query_SHD: Tensor) -> bool:
    """Whether torch's own kernel computes this: no soft cap, and no window that hides anything."""
    rows = len(query_SHD)
    unbounded = rule.window is None or rule.window >= rows
    return rule.softcap is None and unbounded and query_SHD.device.type == "cpu" and rows > 0


def _heads_first(*tensors_SHD: Tensor) -> list[Tensor]:
    """(1, H, S, D), as torch's own kernel takes them."""
    return [tensor.transpose(0, 1)[None] for tensor in tensors_SHD]


def _forward(
    query_SHD: Tensor, key_SKD: Tensor, value_SKD: Tensor, rule: Rule, *, out_SHD: Tensor, lse_HS: Tensor
) -> None:
    heads, shared = query_SHD.shape[1], key_SKD.shape[1]
    for rows, keys in _blocks(len(query_SHD), rule):
        scores = _scores(_stacked(query_SHD[rows], shared), key_SKD[keys], rule)
        _masked(scores, rows, keys, rule, -torch.inf)
        top = scores.amax(-1, keepdim=True)
        weights = scores.sub_(top).exp_()
        total = weights.sum(-1, keepdim=True)
        answer = torch.bmm(weights.to(value_SKD.dtype), value_SKD[keys].transpose(0, 1)) / total
        out_SHD[rows] = _apart(answer, heads)
        lse_HS[:, rows] = (top + total.log()).view(heads, -1)


def _backward(
    given_SHD: Tensor, out_SHD: Tensor, query_SHD: Tensor, key_SKD: Tensor, value_SKD: Tensor,
    *, lse_HS: Tensor, rule: Rule, into: Sequence[Tensor],
) -> None:
    heads, shared, width = query_SHD.shape[1], *key_SKD.shape[1:]
    d_key = key_SKD.new_zeros((shared, len(key_SKD), width), dtype=lse_HS.dtype)
    d_value = torch.zeros_like(d_key)
    for rows, keys in _blocks(len(query_SHD), rule):
        query, given = _stacked(query_SHD[rows], shared), _stacked(given_SHD[rows], shared)
        weights, d_scores = _slopes(
            query, given, _stacked(out_SHD[rows], shared), key_SKD[keys], value_SKD[keys],
            lse=lse_HS[:, rows].reshape(shared, -1, 1), rule=rule, rows=rows, keys=keys,
        )
        into[0][rows] = _apart(torch.bmm(d_scores, key_SKD[keys].transpose(0, 1)), heads)
        d_key[:, keys] += torch.bmm(d_scores.transpose(1, 2), query)
        d_value[:, keys] += torch.bmm(weights.transpose(1, 2), given)
    into[1][:], into[2][:] = d_key.transpose(0, 1), d_value.transpose(0, 1)


def _slopes(
    query: Tensor, given: Tensor, out: Tensor, key_NKD: Tensor, value_NKD: Tensor,
    *, lse: Tensor, rule: Rule, rows: slice, keys: slice,
) -> tuple[Tensor, Tensor]:
    """The weights, and the slope of the loss by q.k, both (K, GB, N): `p * (dp - sum(o * g))`, after Dao 2022."""
    scores = _scores(query, key_NKD, rule)
    weights = _masked((scores - lse).exp_(), rows, keys, rule, 0.0)
    inner = (given.to(lse.dtype) * out).sum(-1, keepdim=True)
    d_scores = torch.bmm(given, value_NKD.permute(1, 2, 0)).to(lse.dtype).sub_(inner).mul_(weights).mul_(rule.scale)
    if rule.softcap is not None:
        d_scores.mul_(1 - (scores / rule.softcap).square())
    return weights.to(query.dtype), d_scores.to(query.dtype)


def _blocks(length: int, rule: Rule) -> Iterator[tuple[slice, slice]]:
    """Rows of a document's queries, and the keys that at least one of them sees."""
    step = length if length <= WHOLE else ROWS
    for first in range(0, length, step or 1):
        last = min(first + step, length)
        seen = length if rule.window is None else rule.window - 1
        yield slice(first, last), slice(max(0, first - seen), last if rule.causal else min(length, last + seen))


def _scores(query: Tensor, key_NKD: Tensor, rule: Rule) -> Tensor:
    """(K, GB, N), scaled and capped, not yet masked; never rounded to bfloat16, as the log-sums are not either."""
    exact = _exact(query)
    scores = torch.bmm(query.to(exact), key_NKD.to(exact).permute(1, 2, 0)).mul_(rule.scale)
    return scores if rule.softcap is None else scores.div_(rule.softcap).tanh_().mul_(rule.softcap)


def _masked(scores: Tensor, rows: slice, keys: slice, rule: Rule, hidden: float) -> Tensor:
    """The scores (K, GB, N), in place, with what a row does not see set to `hidden`."""
    row = torch.arange(rows.start, rows.stop, device=scores.device)[:, None]
    key = torch.arange(keys.start, keys.stop, device=scores.device)
    unseen = key > row if rule.causal else torch.zeros_like(key > row)
    if rule.window is not None:
        unseen |= (row - key).abs() >= rule.window
    scores.view(len(scores), -1, *unseen.shape).masked_fill_(unseen, hidden)
    return scores


def _stacked(rows_BHD: Tensor, shared: int) -> Tensor:
    """(K, G * B, D): the heads of a group one below the other."""
    return rows_BHD.transpose(0, 1).reshape(shared, -1, rows_BHD.shape[-1])


def _apart(stacked: Tensor, heads: int) -> Tensor:
    """(B, H, D) from (K, G * B, D)."""
    return stacked.view(heads, -1, stacked.shape[-1]).transpose(0, 1)


def _exact(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
