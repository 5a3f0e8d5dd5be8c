"""Sources mixed by weight: which source each row comes from, and which of its rows that is.

The order of sources is exact, not drawn: of any first n rows each source has its share of n to within less than one
row. So a step of ten rows with a tenth of general ones has one general row, every time. Source: Tijdeman 1980, "The
chairman assignment problem", whose rule keeps every source within 1 - 1 / (2k - 2) of its share, k being the number of
sources; no rule does better. For two sources that is half a row, so any window of rows at all, wherever it begins,
holds the shares to within one.

What libraries do instead is to draw a source for each row, which holds on average alone, or to stop when a source is
used up, which drops rows of the others, or to repeat small sources unseen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ...records import Source
from ..order import epoch_order


def next_source(taken: Sequence[int], weights: Sequence[int]) -> int:
    """Which source the next row comes from, given how many each has had and whole numbers that stand as the shares do.

    Of the sources that one more row would not put too far ahead, the one that would fall behind soonest.
    """
    whole, slack = sum(weights), 2 * len(weights) - 2
    row = sum(taken) + 1
    behind = [weight * row - had * whole for weight, had in zip(weights, taken, strict=True)]
    open_to = [source for source, lag in enumerate(behind) if slack * lag >= whole]
    return min(open_to, key=lambda source: Fraction(whole * (slack - 1) - slack * behind[source], weights[source]))


def weights_of(sources: Sequence[Source]) -> list[int]:
    """The shares as the smallest whole numbers."""
    common = math.lcm(*(source.share.denominator for source in sources))
    return [int(source.share * common) for source in sources]


@dataclass
class Line:
    """The rows of one source, one after another without end: each epoch all of them once, in an order of its own.

    epoch, index: how far it has come, the rows that were set aside included; arrange: what is made of an epoch's order,
    the same rows in another one.
    """

    examples: Sequence[int]
    seed: int
    set_aside: frozenset[int]
    cycle: str = ""
    epoch: int = 0
    index: int = 0
    arrange: Callable[[list[int]], list[int]] | None = None

    def __post_init__(self) -> None:
        self._order = self._ordered()

    def _ordered(self) -> list[int]:
        drawn = epoch_order(self.examples, self.seed, self.epoch, self.cycle)
        return self.arrange(drawn) if self.arrange else drawn

    def take(self) -> int:
        """The next row that is not set aside. There must be one."""
        while True:
            if self.index == len(self._order):
                self.epoch, self.index = self.epoch + 1, 0
                self._order = self._ordered()
            self.index += 1
            if self._order[self.index - 1] not in self.set_aside:
                return self._order[self.index - 1]
