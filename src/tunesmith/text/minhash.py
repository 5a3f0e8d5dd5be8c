"""Which texts are worth comparing: those whose shingles have equal minima under some random orders of all shingles.

The least shingle of a random order is the same in two texts with a chance of their Jaccard index s (Broder, "On the
resemblance and containment of documents", 1997). Minima are joined in bands of r, and texts are compared that agree in
at least one of b bands: with a chance of 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
section 3.4). For s = 0.8 there are 18 bands of 6: of pairs at 0.8 99.6% are compared, at 0.9 all but one in a million,
at 0.5 25%, at 0.3 1.3%.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil, log
from typing import IO

import numpy as np
from numpy.typing import NDArray

from .. import scratch
from ..scratch import Growing
from .shingles import BITS, Numbers, Shingled, mixed, shingled

MISSED, MOST = 0.005, 128  # of the pairs at the threshold; minima of a text
_SEED = 12


@dataclass(frozen=True, slots=True)
class Bands:
    """How many bands there are, and of how many minima each."""

    count: int
    rows: int

    def compared(self, share: float) -> float:
        """The chance that two texts with such a Jaccard index are compared."""
        return float(1 - (1 - share**self.rows) ** self.count)


def bands_for(threshold: float) -> Bands:
    """The longest bands with which no more than 1 in 200 of the pairs at the threshold is missed.

    Below 0.04 so many bands would be needed that more are missed.
    """
    for rows in range(8, 0, -1):
        count = ceil(log(MISSED) / log(1 - min(threshold, 0.999999) ** rows))
        if count * rows <= MOST:
            return Bands(count, rows)
    return Bands(MOST, 1)


@dataclass(frozen=True, slots=True)
class Signed:
    """Texts as they are compared, the greater part of it on the disk.

    digests: (N,) equal where all shingles are; counts: (N,) shingles of each text; fewest: texts with fewer shingles
    are near to none but copies, so their keys say nothing; shingles, keys: the files, the latter one for each band.
    """

    digests: Numbers
    counts: NDArray[np.int64]
    fewest: int
    shingles: IO[bytes]
    keys: Sequence[IO[bytes]]

    def values(self) -> Numbers:
        """(S,) the shingles of all texts, each text's own in order."""
        return np.memmap(self.shingles, np.uint64, "r")

    def band(self, number: int) -> Numbers:
        """(N,) equal where two texts agree in a band."""
        return np.memmap(self.keys[number % len(self.keys)], np.uint64, "r")


@contextmanager
def signed(texts: Iterable[str], threshold: float) -> Iterator[Signed]:
    """What texts are compared by; they are read once. The files have no names, and are gone at the end."""
    bands = bands_for(threshold)
    orders = np.random.default_rng(_SEED).integers(0, 1 << 64, (2, bands.count, bands.rows), np.uint64)
    orders[0] |= np.uint64(1)
    with ExitStack() as files:
        shingles, *keys = (files.enter_context(scratch.file()) for _ in range(bands.count + 1))
        digests, counts, fewest = Growing(np.uint64), Growing(np.int64), _fewest(threshold)
        for some in shingled(texts):
            counts.append(some.counts)
            digests.append(np.add.reduceat(mixed(some.values), some.starts))
            some.values.tofile(shingles)
            for keys_of, file in zip(_keys(some, orders, fewest), keys, strict=True):
                keys_of.tofile(file)
        for file in (shingles, *keys):
            file.flush()
        yield Signed(digests.whole(), counts.whole(), fewest, shingles, keys)


def _fewest(threshold: float) -> int:
    """The fewest shingles with which one more or one less is near."""
    return next((count for count in range(1, 1 << 20) if count >= threshold * (count + 1)), 1 << BITS)


def _keys(some: Shingled, orders: NDArray[np.uint64], fewest: int) -> Iterator[Numbers]:
    """(N,) for each band: the minima of each text under each order of the band, joined; 0 of texts that are too short.

    orders: (2, B, R) what a shingle is multiplied by, and what is added; the overflow shuffles them.
    """
    large = some.counts >= fewest
    counts, values = some.counts[large], some.values[np.repeat(large, some.counts)]
    starts = np.cumsum(counts) - counts
    for band in range(orders.shape[1]):
        keys = np.zeros(len(large), np.uint64)
        joined = np.zeros(len(starts), np.uint64)
        for factor, shift in zip(*orders[:, band], strict=True) if len(starts) else ():
            joined = mixed(joined + np.minimum.reduceat(values * factor + shift, starts))
        keys[large] = joined
        yield keys
