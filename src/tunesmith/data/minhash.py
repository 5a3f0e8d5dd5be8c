"""Which texts are worth comparing: those whose shingles have equal minima under some random orders of all shingles.

The least shingle of a random order is the same in two texts with a chance of their Jaccard index s (Broder, "On the
resemblance and containment of documents", 1997). Minima are joined in bands of r, and texts are compared that agree in
at least one of b bands: with a chance of 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
section 3.4). For s = 0.8 there are 18 bands of 6: of pairs at 0.8 99.6% are compared, at 0.9 all but one in a million,
at 0.5 25%, at 0.3 1.3%.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .shingles import BITS, Numbers, mixed, shingled

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
    """Texts as they are compared, the greater part of it on the disk, in a folder of the caller's.

    digests: (N,) equal where all shingles are; counts: (N,) shingles of each text; fewest: texts with fewer shingles
    are near to none but copies, so their keys say nothing.
    """

    folder: Path
    bands: Bands
    digests: Numbers
    counts: NDArray[np.int64]
    fewest: int

    def keys(self, band: int) -> Numbers:
        """(N,) equal where two texts agree in a band."""
        return np.memmap(self.folder / f"band-{band}", np.uint64, "r")

    def values(self) -> Numbers:
        """(S,) the shingles of all texts, each text's own in order."""
        return np.memmap(self.folder / "shingles", np.uint64, "r")


def signed(texts: Iterable[str], threshold: float, folder: Path) -> Signed:
    """What texts are compared by; they are read once."""
    bands = bands_for(threshold)
    random = np.random.default_rng(_SEED)
    orders = random.integers(0, 1 << 64, (2, bands.count, bands.rows), np.uint64)
    orders[0] |= np.uint64(1)
    digests, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    fewest = next(count for count in range(1, 1 << 62) if count >= threshold * (count + 1) - 1e-9) if threshold < 1 \
        else 1 << BITS
    files = [(folder / f"band-{band}").open("wb") for band in range(bands.count)]
    with (folder / "shingles").open("wb") as values:
        for some in shingled(texts):
            some.values.tofile(values)
            counts.append(some.counts)
            digests.append(np.add.reduceat(mixed(some.values), some.starts))
            large = some.counts >= fewest
            starts = np.cumsum(some.counts[large]) - some.counts[large]
            chosen = some.values[np.repeat(large, some.counts)]
            for band, file in enumerate(files):
                keys = np.zeros(len(large), np.uint64)
                if len(starts):
                    keys[large] = _keys(chosen, starts, orders[:, band])
                keys.tofile(file)
    for file in files:
        file.close()
    return Signed(folder, bands, np.concatenate(digests), np.concatenate(counts), fewest)


def _keys(values: Numbers, starts: NDArray[np.int64], orders: NDArray[np.uint64]) -> Numbers:
    """(N,) a band of each text: the minima under each order, joined."""
    joined = np.zeros(len(starts), np.uint64)
    for factor, shift in zip(*orders, strict=True):
        joined = mixed(joined + np.minimum.reduceat(values * factor + shift, starts))
    return joined
