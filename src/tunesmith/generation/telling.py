"""From what a network says of rows that know nothing of each other to the next token of each, and what is told of it.

Letters: R rows, V vocabulary, G rows that are drawn in the same way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..encoding.order import seed_for
from .sampling import Sampling, choose, penalise


@dataclass(frozen=True, slots=True)
class Wanted:
    """One answer that is wanted.

    ids: of the prompt; top: how many of the likeliest tokens are told beside each (0: none); index: which of several
    answers to one request: what is drawn depends on `sampling.seed` and on it, as in `decode.generate`.
    """

    ids: tuple[int, ...]
    sampling: Sampling
    top: int = 0
    index: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One new token of one answer.

    log_probability: as the network says it, before penalty, temperature, top-k and top-p; likeliest: ids and the same
    of each, the likeliest first; stopped_by: `end` where the token is a stop token, `length` where no room is left.
    """

    key: Hashable
    token: int
    log_probability: float
    likeliest: tuple[tuple[int, float], ...] = ()
    stopped_by: Literal["", "end", "length"] = ""


@dataclass(slots=True, eq=False)
class Saying:
    """An answer while it is written. ids: those of the prompt and of the answer so far; most: tokens of the answer."""

    key: Hashable
    wanted: Wanted
    most: int
    ids: list[int]
    generator: torch.Generator
    seen_V: Tensor | None = field(default=None, repr=False)

    @classmethod
    def of(cls, key: Hashable, wanted: Wanted, context: int) -> Saying:
        """An answer before its first token. context: the longest document that the network reads, in tokens."""
        generator = torch.Generator().manual_seed(seed_for(wanted.sampling.seed, "answer", wanted.index))
        most = min(wanted.sampling.max_new_tokens, context - len(wanted.ids))
        return cls(key, wanted, most, list(wanted.ids), generator)

    @property
    def said(self) -> int:
        """Tokens of the answer so far."""
        return len(self.ids) - len(self.wanted.ids)


@torch.inference_mode()
def tell(rows: Sequence[Saying], logits_RV: Tensor, stop: frozenset[int]) -> list[Told]:
    """The next token of each row, which its `ids` then have."""
    chosen = _chosen(rows, logits_RV)
    whole_R = logits_RV.logsumexp(dim=-1)
    own = (logits_RV.gather(1, chosen[:, None])[:, 0] - whole_R).tolist()
    likeliest = _likeliest(rows, logits_RV, whole_R)
    return [_told(row, token, probability, likely, stop)
            for row, token, probability, likely in zip(rows, chosen.tolist(), own, likeliest, strict=True)]


def _told(
    row: Saying, token: int, probability: float, likeliest: tuple[tuple[int, float], ...], stop: frozenset[int]
) -> Told:
    row.ids.append(token)
    if row.seen_V is not None:
        row.seen_V[token] = True
    ended: Literal["", "end", "length"] = "end" if token in stop else "length" if row.said == row.most else ""
    return Told(row.key, token, probability, likeliest, ended)


def _chosen(rows: Sequence[Saying], logits_RV: Tensor) -> Tensor:
    """(R,): those that are drawn in the same way together."""
    ways: dict[tuple[float, float, int, float], list[int]] = {}
    for place, row in enumerate(rows):
        way = row.wanted.sampling
        ways.setdefault((way.temperature, way.top_p, way.top_k, way.repetition_penalty), []).append(place)
    chosen = torch.empty(len(rows), dtype=torch.long, device=logits_RV.device)
    for places in ways.values():
        together = [rows[place] for place in places]
        logits_GV = logits_RV if len(places) == len(rows) else logits_RV[places]
        sampling = together[0].wanted.sampling
        if sampling.repetition_penalty != 1:
            seen_GV = torch.stack([_seen(row, logits_GV) for row in together])
            logits_GV = penalise(logits_GV, seen_GV, sampling.repetition_penalty)
        chosen[places] = choose(logits_GV, sampling, [row.generator for row in together])
    return chosen


def _seen(row: Saying, logits_GV: Tensor) -> Tensor:
    """(V,) which tokens stand in the prompt or in the answer so far."""
    if row.seen_V is None:
        row.seen_V = torch.zeros(logits_GV.shape[1], dtype=torch.bool, device=logits_GV.device)
        row.seen_V[row.ids] = True
    return row.seen_V


def _likeliest(rows: Sequence[Saying], logits_RV: Tensor, whole_R: Tensor) -> list[tuple[tuple[int, float], ...]]:
    """Of each row as many as it wants."""
    most = min(max(row.wanted.top for row in rows), logits_RV.shape[1])
    if not most:
        return [()] * len(rows)
    values, ids = logits_RV.topk(most, dim=-1)
    values = values - whole_R[:, None]
    return [tuple(zip(ids[place, : row.wanted.top].tolist(), values[place, : row.wanted.top].tolist(), strict=True))
            for place, row in enumerate(rows)]
