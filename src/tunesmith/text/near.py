"""Texts that are nearly the same as others: at least a given share of their shingles stands in both (Jaccard index).

Texts that are worth comparing are found by `minhash`, and each pair is then compared exactly, so none is told that is
not near. Copies are one text from the beginning. Where more than 64 different texts agree in a band, they agree in what
all of them share, and say little by it: each is compared with the first and with 4 next to it; bands in which fewer
agree find the pairs. So a phrase that half of all rows share costs no more than the rows are many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import scratch
from ..scratch import Growing, Indices
from .joined import Joined
from .minhash import Signed, signed
from .shingles import BITS, Numbers

THRESHOLD = 0.8
CROWD, NEIGHBOURS, AT_ONCE = 64, 4, 1 << 20

Shares = NDArray[np.float64]
Mask = NDArray[np.bool_]


def clusters(texts: Iterable[str], *, threshold: float = THRESHOLD) -> Indices:
    """(N,) for each text the index of the first text of its cluster: what pairs that are near lead to, in any steps.

    The texts are read once. Which texts share a cluster does not depend on their order. threshold: the least Jaccard
    index of a pair, above 0, at most 1.
    """
    with signed(texts, threshold) as made:
        distinct = _Distinct.of(made)
        joined = Joined(len(distinct.first))
        _compare(distinct, threshold, _Together(joined))
    roots = joined.every()
    least = scratch.filled(len(roots), len(distinct.which), np.int64)
    for some in scratch.blocks(len(roots)):
        np.minimum.at(least, roots[some], distinct.first[some])
    return scratch.taken(scratch.taken(least, roots), distinct.which)


def alike(texts: Iterable[str], *, threshold: float = THRESHOLD) -> tuple[Indices, Shares]:
    """(P, 2) for each text that is near an earlier one, its own index and that of such a one; (P,) their Jaccard index.

    In the order of the texts, which are read once. threshold: as of `clusters`.
    """
    with signed(texts, threshold) as made:
        distinct = _Distinct.of(made)
        earlier = _Earlier.of(distinct.first)
        _compare(distinct, threshold, earlier)
    pairs, shares = Growing(np.int64, (2,)), Growing(np.float64)
    for some in scratch.blocks(len(distinct.which)):
        which = distinct.which[some]
        rows, first = np.arange(some.start, some.stop), distinct.first[which]
        copy = rows != first
        other = np.where(copy, first, earlier.partner[which])
        told = other >= 0
        pairs.append(np.stack([rows, other], 1)[told])
        shares.append(np.where(copy, 1.0, earlier.share[which])[told])
    return pairs.whole(), shares.whole()


@dataclass(frozen=True, slots=True)
class _Distinct:
    """Texts without their copies, in an order of their own: by digest, so that the order of the rows is forgotten.

    first: (U,) the first row of each; which: (N,) which of them each row is.
    """

    signed: Signed
    first: Indices
    which: Indices

    @classmethod
    def of(cls, made: Signed) -> _Distinct:
        """The texts whose shingles are not all the same."""
        return cls(made, *scratch.distinct(made.digests))


class _Taker(Protocol):
    """What becomes of pairs."""

    def wants(self, one: Indices, other: Indices) -> Mask:
        """Whether a pair could change anything."""

    def take(self, one: Indices, other: Indices, share: Shares) -> None:
        """Pairs that are near."""


@dataclass(frozen=True, slots=True)
class _Together:
    """Texts that hang together."""

    joined: Joined

    def wants(self, one: Indices, other: Indices) -> Mask:
        """Not those that hang together already."""
        return np.not_equal(self.joined.roots(one), self.joined.roots(other))

    def take(self, one: Indices, other: Indices, share: Shares) -> None:
        """Join them."""
        self.joined.join(one, other)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """For each text the earliest row that it was found near to, and how near; -1 where there is none."""

    first: Indices
    partner: Indices
    share: Shares

    @classmethod
    def of(cls, first: Indices) -> _Earlier:
        """None found yet. first: (U,) the row of each text."""
        return cls(first, scratch.filled(len(first), -1, np.int64), scratch.filled(len(first), 1, np.float64))

    def wants(self, one: Indices, other: Indices) -> Mask:
        """Not those whose later text has a partner."""
        later = np.where(self.first[one] > self.first[other], one, other)
        return self.partner[later] < 0

    def take(self, one: Indices, other: Indices, share: Shares) -> None:
        """Keep of each text the earliest partner."""
        swapped = self.first[one] < self.first[other]
        later, row = np.where(swapped, other, one), self.first[np.where(swapped, one, other)]
        order = np.lexsort((row, later))
        least = order[np.unique(later[order], return_index=True)[1]]
        self.partner[later[least]], self.share[later[least]] = row[least], share[least]


def _compare(distinct: _Distinct, threshold: float, taker: _Taker) -> None:
    """Hand on every pair that is near, of those that agree in a band and that can change anything."""
    made = distinct.signed
    if not len(made.counts):
        return
    compared = _Compared.of(made, distinct.first)
    large = scratch.places(compared.counts, lambda counts: counts >= made.fewest)
    rows = scratch.taken(distinct.first, large)
    following = scratch.taken(made.band(0), rows)
    for band in range(len(made.keys)):
        keys, following = following, scratch.taken(made.band(band + 1), rows)
        for some in scratch.ranges(keys):
            for one, other in _side_by_side(keys[some], following[some]):
                one, other = large[some[one]], large[some[other]]
                wanted = taker.wants(one, other)
                one, other = one[wanted], other[wanted]
                share = compared.shares(one, other, threshold)
                near = share >= threshold
                taker.take(one[near], other[near], share[near])


def _side_by_side(keys: Numbers, following: Numbers) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of texts with the same key: the neighbours, those one further apart and so on; of crowds only a few."""
    order = np.argsort(keys)
    same = keys[order[1:]] == keys[order[:-1]]
    members = np.sort(order[np.concatenate([same, [False]]) | np.concatenate([[False], same])])
    members = members[np.lexsort((following[members], keys[members]))]
    _, begins, run, sizes = np.unique(keys[members], return_index=True, return_inverse=True, return_counts=True)
    crowded = sizes[run] > CROWD
    others = crowded.copy()
    others[begins] = False
    yield members[begins[run[others]]], members[others]
    for apart in range(1, CROWD):
        if apart == NEIGHBOURS + 1:
            members, run = members[~crowded], run[~crowded]
        pairs = np.flatnonzero(run[apart:] == run[:-apart])
        if not len(pairs):
            return
        yield members[pairs], members[pairs + apart]


@dataclass(frozen=True, slots=True)
class _Compared:
    """The shingles of all texts, and where those of each distinct one stand."""

    values: Numbers
    starts: Indices
    counts: Indices

    @classmethod
    def of(cls, made: Signed, rows: Indices) -> _Compared:
        """The texts of some rows."""
        starts, end = Growing(np.int64), 0
        for some in scratch.blocks(len(made.counts)):
            ends = np.cumsum(made.counts[some]) + end
            starts.append(ends - made.counts[some])
            end = int(ends[-1])
        return cls(made.values(), scratch.taken(starts.whole(), rows), scratch.taken(made.counts, rows))

    def shares(self, one: Indices, other: Indices, threshold: float) -> Shares:
        """(P,) the Jaccard index of each pair; 0 where their numbers of shingles are too different to reach it."""
        made = np.zeros(len(one))
        sizes = np.minimum(self.counts[one], self.counts[other]), np.maximum(self.counts[one], self.counts[other])
        worth = np.flatnonzero(sizes[0] >= threshold * sizes[1] - 1e-9)
        ends = np.cumsum((sizes[0] + sizes[1])[worth])
        begin = 0
        while begin < len(worth):
            most = (ends[begin - 1] if begin else 0) + AT_ONCE
            end = min(max(int(np.searchsorted(ends, most)), begin + 1), begin + (1 << (64 - BITS)))
            some = worth[begin:end]
            both = self._both(one[some], other[some])
            made[some] = both / (sizes[0][some] + sizes[1][some] - both)
            begin = end
        return made

    def _both(self, one: Indices, other: Indices) -> Indices:
        """(P,) how many shingles stand in both texts of each pair: those that are there twice, once all are sorted."""
        keys = np.sort(np.concatenate([self._under(one), self._under(other)]))
        twice = keys[1:][keys[1:] == keys[:-1]]
        return np.bincount((twice >> np.uint64(BITS)).astype(np.int64), minlength=len(one))

    def _under(self, texts: Indices) -> Numbers:
        """The shingles of texts, each with the number of its pair above it."""
        counts = self.counts[texts]
        begins = np.cumsum(counts) - counts
        places = np.repeat(self.starts[texts] - begins, counts) + np.arange(counts.sum())
        whose = np.repeat(np.arange(len(texts), dtype=np.uint64), counts)
        keys: Numbers = whose << np.uint64(BITS) | self.values[places]
        return keys
