"""Copies of earlier rows out: those that say the same, blanks aside, and if wanted those that are nearly the same.

The first of them stays. Rows that differ in what is learnt beside their texts (labels, tags, answers) are no copies but
contradict each other, which `tunesmith check` tells. Nine bytes a row are in memory for copies; near ones are
found as `text/near.py` tells, over and over until none is left, because what it compares depends on how many are alike.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT
from ...text.near import clusters
from ..fields import normalised

rewrites: Final = False
sees: Final[Literal["all rows"]] = "all rows"
_PARTS = 64  # of the digests, which are sorted one after the other


class Settings(BaseModel):
    """From when on rows are copies."""

    model_config = STRICT

    near: float = Field(default=1.0, gt=0, le=1)
    """The share of their word triples that two rows must have in common to count as one: above 0; 1: only copies.

    Try 0.8, which finds rows that differ in a few words; lower finds what is only alike.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each row kept, or dropped with the place of the row that it is a copy of."""
    first = _copies(every)
    if settings.near < 1:
        _join_near(first, every, settings.near)
    rows = count()
    what = "a copy of" if settings.near == 1 else "a copy of, or nearly the same as,"

    def clean(texts: tuple[str, ...]) -> Cleaned:
        row = next(rows)
        earlier = int(first[row])
        if earlier == row:
            return Cleaned(texts)
        return Cleaned(texts, f"{what} {every.where(earlier)}", dropped=True)

    return clean


def _copies(every: Every) -> NDArray[np.uint64]:
    """(N,) for each row the first one that says the same, by 64 bits of a digest; itself where none is earlier."""
    digests, parts = array("Q"), array("B")
    for came in every:
        digests.append(_digest(*(normalised(text) for text in came.texts), came.beside))
        parts.append(digests[-1] % _PARTS)
    first, part_of = np.frombuffer(digests, np.uint64), np.frombuffer(parts, np.uint8)
    for part in range(_PARTS):
        rows = np.flatnonzero(part_of == part)
        first[rows] = rows[_first(first[rows])]  # in place of the digests, which no other part looks at
    return first


def _join_near(first: NDArray[np.uint64], every: Every, share: float) -> None:
    """Let rows that are near to an earlier one name the first of their cluster, until no row that is left is near."""
    joined = True
    while joined:
        kept = np.flatnonzero(first == np.arange(len(first), dtype=np.uint64))
        beside = array("Q")
        same = clusters(_texts(every, first, beside), threshold=share).astype(np.uint64)
        of = _first(np.frombuffer(beside, np.uint64) ^ same * np.uint64(0x9E3779B97F4A7C15))
        joined = bool((of != np.arange(len(of))).any())
        first[kept] = kept[of]


def _texts(every: Every, first: NDArray[np.uint64], beside: array[int]) -> Iterator[str]:
    """The texts of rows that are left, what stands beside them written down meanwhile."""
    for row, came in enumerate(every):
        if first[row] == row:
            beside.append(_digest(came.beside))
            yield "\n".join(came.texts)


def _first(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) where each value stands first."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    return first[which]


def _digest(*texts: str) -> int:
    held = blake2b(digest_size=8)
    for text in texts:
        held.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return int.from_bytes(held.digest(), "little")
