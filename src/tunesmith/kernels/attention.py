"""Causal attention over documents packed in one flat row: each attends to itself only, no padding and no mask.

Letters: M rows of all documents, S rows of one, H query heads, K key/value heads, G = H / K heads that share one,
D width of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

NAME = "tunesmith"


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
    answers = []
    for start, end in _documents(borders):
        query, key, value = query_HMD[:, start:end], key_KMD[:, start:end], value_KMD[:, start:end]
        answers.append(_one_document(query, key, value, rule))
    return torch.cat(answers, dim=1).transpose(0, 1)


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


def _documents(borders: Sequence[int]) -> Iterator[tuple[int, int]]:
    return pairwise(borders)


def _one_document(query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
    if rule.softcap is None and (rule.window is None or rule.window >= query.shape[1]):
        return torch.nn.functional.scaled_dot_product_attention(
            query[None], key[None], value[None], is_causal=True, scale=rule.scale, dropout_p=rule.dropout,
            enable_gqa=query.shape[0] != key.shape[0],
        )[0]
    return naive_attention(query, key, value, (0, query.shape[1]), rule).transpose(0, 1)


def packed_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    *, borders: Sequence[int], scaling: float, dropout: float = 0.0, softcap: float | None = None,
    sliding_window: int | None = None, **others: Any,
) -> tuple[Tensor, None]:
    """Answer as transformers' attention interface asks: (1, M, H, D), and no weights."""
    rule = Rule(scale=scaling, softcap=softcap, window=sliding_window, dropout=dropout)
    return attention(query[0], key[0], value[0], borders, rule)[None], None
