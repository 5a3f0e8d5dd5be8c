"""What hangs together: things by their numbers, each of which leads to a smaller one or to itself."""

from __future__ import annotations

import numpy as np

from .. import scratch
from ..scratch import Indices


class Joined:
    """Things that lead to one another in any steps. The smallest of those that do is the root of each of them."""

    def __init__(self, count: int) -> None:
        self._to = scratch.filled(count, 0, np.int64)
        for some in scratch.blocks(count):
            self._to[some] = np.arange(some.start, some.stop)

    def roots(self, of: Indices | slice) -> Indices:
        """(P,) the root of each of some."""
        found: Indices = self._to[of]
        while (found != (further := self._to[found])).any():
            found = further
        self._to[of] = found
        return found

    def join(self, one: Indices, other: Indices) -> None:
        """Let the two of each of some pairs have one root, the earlier of theirs."""
        while len(one):
            ends = self.roots(one), self.roots(other)
            low, high = np.minimum(*ends), np.maximum(*ends)
            np.minimum.at(self._to, high, low)
            self.roots(high)
            one, other = one[low != high], other[low != high]

    def every(self) -> Indices:
        """(count,) the root of each."""
        for some in scratch.blocks(len(self._to)):
            self.roots(some)
        return self._to
