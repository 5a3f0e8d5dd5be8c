"""An order in which what is alike stands apart, so that a batch holds no two examples with an equal text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

WAITING: Final = 256  # examples that are held back at a time: what is alike is spread, and not heaped up at the end


def apart(order: Sequence[int], texts: Mapping[int, Sequence[int]], distance: int) -> list[int]:
    """The same examples, those with an equal text at least `distance` places from each other where that can be.

    texts: of each example numbers that equal texts share. The order is kept but for examples that have to wait.
    """
    made: list[int] = []
    waiting: list[int] = []
    last: dict[int, int] = {}
    rest = iter(order)

    def free(example: int) -> bool:
        return all(len(made) - last.get(text, -distance) >= distance for text in texts[example])

    while len(made) < len(order):
        place = next((place for place, example in enumerate(waiting) if free(example)), None)
        while place is None and len(waiting) < WAITING and (example := next(rest, None)) is not None:
            waiting.append(example)
            place = len(waiting) - 1 if free(example) else None
        chosen = waiting.pop(place or 0)
        last.update(dict.fromkeys(texts[chosen], len(made)))
        made.append(chosen)
    return made
