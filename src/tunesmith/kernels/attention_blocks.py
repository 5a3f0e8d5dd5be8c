"""Attention by plain products over blocks of query rows: the twin of the native kernel, and its fallback.

The query heads that share a key head are stacked, so that their sum is part of the product, and a block is multiplied
with the keys that it may see only: neither what stands later, nor what a window has left behind.
Letters: as in `attention`; B query rows of a block, N keys that one of them sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .attention import Rule

# Rows of a document that is taken whole, and of a block of a longer one.
WHOLE, ROWS = 320, 128


def forward(
    query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor, borders: Sequence[int], rule: Rule, *, out_MHD: Tensor
) -> Tensor:
    """As `attention.forward`."""
    heads, shared = query_MHD.shape[1], key_MKD.shape[1]
    lse_HM = query_MHD.new_empty((heads, len(query_MHD)), dtype=_exact(query_MHD))
    for start, end in pairwise(borders):
        for rows, keys in _blocks(start, end, rule.window):
            scores = _scores(_stacked(query_MHD[rows], shared), key_MKD[keys], rule)
            _masked(scores, rows, keys, rule.window, -torch.inf)
            top = scores.amax(-1, keepdim=True)
            weights = scores.sub_(top).exp_()
            total = weights.sum(-1, keepdim=True)
            answer = torch.bmm(weights.to(value_MKD.dtype), value_MKD[keys].transpose(0, 1)) / total
            out_MHD[rows] = _apart(answer, heads)
            lse_HM[:, rows] = (top + total.log()).view(heads, -1)
    return lse_HM


def backward(
    given_MHD: Tensor, out_MHD: Tensor, query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor,
    *, lse_HM: Tensor, borders: Sequence[int], rule: Rule, into: tuple[Tensor, Tensor, Tensor],
) -> None:
    """As `attention.backward`."""
    d_query_MHD, d_key_MKD, d_value_MKD = into
    heads, shared, width = query_MHD.shape[1], *key_MKD.shape[1:]
    for start, end in pairwise(borders):
        d_key = key_MKD.new_zeros((shared, end - start, width), dtype=lse_HM.dtype)
        d_value = torch.zeros_like(d_key)
        for rows, keys in _blocks(start, end, rule.window):
            query, given = _stacked(query_MHD[rows], shared), _stacked(given_MHD[rows], shared)
            weights, d_scores = _slopes(
                query, given, _stacked(out_MHD[rows], shared), key_MKD[keys], value_MKD[keys],
                lse=lse_HM[:, rows].reshape(shared, -1, 1), rule=rule, rows=rows, keys=keys,
            )
            d_query_MHD[rows] = _apart(torch.bmm(d_scores, key_MKD[keys].transpose(0, 1)), heads)
            own = slice(keys.start - start, keys.stop - start)
            d_key[:, own] += torch.bmm(d_scores.transpose(1, 2), query)
            d_value[:, own] += torch.bmm(weights.transpose(1, 2), given)
        d_key_MKD[start:end], d_value_MKD[start:end] = d_key.transpose(0, 1), d_value.transpose(0, 1)


def _slopes(
    query: Tensor, given: Tensor, out: Tensor, key_NKD: Tensor, value_NKD: Tensor,
    *, lse: Tensor, rule: Rule, rows: slice, keys: slice,
) -> tuple[Tensor, Tensor]:
    """The weights, and the slope of the loss by q.k, both (K, GB, N): `p * (dp - sum(o * g))`, after Dao 2022."""
    scores = _scores(query, key_NKD, rule)
    weights = _masked((scores - lse).exp_(), rows, keys, rule.window, 0.0)
    inner = (given.to(lse.dtype) * out).sum(-1, keepdim=True)
    d_scores = torch.bmm(given, value_NKD.permute(1, 2, 0)).to(lse.dtype).sub_(inner).mul_(weights).mul_(rule.scale)
    if rule.softcap is not None:
        d_scores.mul_(1 - (scores / rule.softcap).square())
    return weights.to(query.dtype), d_scores.to(query.dtype)


def _blocks(start: int, end: int, window: int | None) -> Iterator[tuple[slice, slice]]:
    """Rows of queries, and the keys that at least one of them sees."""
    step = end - start if end - start <= WHOLE else ROWS
    for first in range(start, end, step or 1):
        last = min(first + step, end)
        yield slice(first, last), slice(start if window is None else max(start, first - window + 1), last)


def _scores(query: Tensor, key_NKD: Tensor, rule: Rule) -> Tensor:
    """(K, GB, N), scaled and capped, not yet masked."""
    scores = torch.bmm(query, key_NKD.permute(1, 2, 0)).to(_exact(query)).mul_(rule.scale)
    return scores if rule.softcap is None else scores.div_(rule.softcap).tanh_().mul_(rule.softcap)


def _masked(scores: Tensor, rows: slice, keys: slice, window: int | None, hidden: float) -> Tensor:
    """The scores (K, GB, N), in place, with what a row does not see set to `hidden`."""
    row = torch.arange(rows.start, rows.stop, device=scores.device)[:, None]
    key = torch.arange(keys.start, keys.stop, device=scores.device)
    unseen = key > row if window is None else (key > row) | (key <= row - window)
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
