"""Which rows are varied, and the chance that each variation has to itself."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from ...records import Example


def drawn(examples: Sequence[Example], share: float, *, seed: int) -> Iterator[tuple[int, Example, random.Random]]:
    """Each row as often as its share says, with a source of chance for that one time.

    What is drawn for a row depends on the seed, its group and its number there alone: rows that come or go elsewhere
    change nothing, and a larger share adds to what a smaller one drew.
    """
    numbers: Counter[str] = Counter()
    for index, example in enumerate(examples):
        numbers[example.group] += 1
        named = f"{seed}\0{example.group}\0{numbers[example.group]}"
        rest = random.Random(named).random() < share % 1  # noqa: S311 - a draw that can be repeated
        for time in range(int(share) + rest):
            yield index, example, random.Random(f"{named}\0{time}")  # noqa: S311
