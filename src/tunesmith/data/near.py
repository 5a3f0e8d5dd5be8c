"""Texts that are nearly the same as others: at least a given share of their shingles stands in both (Jaccard index)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray

from .shingles import shingles

Shingles = frozenset[tuple[str, ...]]
THRESHOLD = 0.8


def clusters(texts: Iterable[str], *, threshold: float = THRESHOLD) -> NDArray[np.int64]:
    """(N,) for each text the index of the first text of its cluster: what pairs that are near lead to, in any steps.

    The texts are read once. Which texts share a cluster does not depend on their order.
    """
    pairs, count = _pairs(texts, threshold)
    first = np.arange(count)

    def root(index: int) -> int:
        while first[index] != index:
            first[index] = first[first[index]]
            index = int(first[index])
        return index

    for one, other, _ in pairs:
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return np.array([root(index) for index in range(count)], np.int64)


def alike(
    texts: Iterable[str], *, threshold: float = THRESHOLD
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(P, 2) for each text that is near an earlier one, its own index and that of such a one; (P,) their Jaccard index.

    In the order of the texts, which are read once.
    """
    found = {one: (other, share) for one, other, share in _pairs(texts, threshold)[0]}
    rows = sorted(found)
    return (np.array([(row, found[row][0]) for row in rows], np.int64).reshape(-1, 2),
            np.array([found[row][1] for row in rows], np.float64))


def _pairs(texts: Iterable[str], threshold: float) -> tuple[list[tuple[int, int, float]], int]:
    """Every pair that is near, the later text first, of copies only that with the first one; and how many texts."""
    first: dict[Shingles, int] = {}
    copies: list[tuple[int, int, float]] = []
    count = 0
    for count, text in enumerate(texts, 1):
        earlier = first.setdefault(shingles(text), count - 1)
        if earlier != count - 1:
            copies.append((count - 1, earlier, 1.0))
    return copies + list(_joined(first, threshold)), count


def _joined(first: dict[Shingles, int], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs that share one of their rarest shingles: those that share none of them cannot be near."""
    often = Counter(shingle for each in first for shingle in each)
    having: defaultdict[tuple[str, ...], list[Shingles]] = defaultdict(list)
    for each, row in first.items():
        rarest = sorted(each, key=lambda shingle: (often[shingle], shingle))
        rarest = rarest[: len(each) - ceil(threshold * len(each) - 1e-9) + 1]
        for other in {other for shingle in rarest for other in having[shingle]}:
            share = len(each & other) / len(each | other)
            if share >= threshold:
                yield row, first[other], share
        for shingle in rarest:
            having[shingle].append(each)
