"""What is common among many things, in memory that does not grow with them.

Source: Misra and Gries, Finding repeated elements (1982): of n things, every one that stands there more than n / size
times is among the kept, in whatever order they come. How often exactly, a second reading counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

SIZE = 1000
_Thing = TypeVar("_Thing", bound=Hashable)


def frequent(things: Callable[[], Iterable[_Thing]], share: float, *, size: int = SIZE) -> tuple[Counter[_Thing], int]:
    """Those that are at least this share of all, with how many each has; and how many things there are.

    things: gives all of them, and is asked a second time where some may be common.
    """
    kept: Counter[_Thing] = Counter()
    total = lost = 0
    for thing in things():
        total += 1
        if thing in kept or len(kept) < size:
            kept[thing] += 1
        else:
            lost += 1
            kept = Counter({other: count - 1 for other, count in kept.items() if count > 1})
    least = max(share * total, 1)
    likely = {thing for thing, count in kept.items() if count + lost >= least}
    if not likely:
        return Counter(), total
    if lost:
        kept = Counter(thing for thing in things() if thing in likely)
    return Counter({thing: kept[thing] for thing in likely if kept[thing] >= least}), total
