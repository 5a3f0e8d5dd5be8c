"""Labels predicted and labels right, class by class: what a table and a confusion matrix show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .predictions import TUNED, Kept


@dataclass(frozen=True, slots=True)
class Class:
    """One class among held-out rows. rows: that are of it; predicted: rows said to be; right: rows of both."""

    name: str
    rows: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """The share of rows said to be of the class that are; 0 where none is said to be."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the class's rows that were found; 0 where it has none."""
        return self.right / self.rows if self.rows else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.rows + self.predicted) if self.rows + self.predicted else 0.0


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often rows of one class (`wanted`) were said to be of another (`said`)."""

    wanted: str
    said: str
    rows: int


def labels_of(rows: Sequence[Kept], side: str = TUNED) -> list[tuple[frozenset[str], frozenset[str]]]:
    """What each row is and what one side says it is; empty where rows are not told apart by labels."""
    found = []
    for row in rows:
        said = row.sides[side]
        for key in ("label", "labels"):
            if key in said.expected and key in said.output:
                found.append((_set(said.expected[key]), _set(said.output[key])))
    return found


def _set(value: str | Sequence[str]) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value)


def table(labels: Sequence[tuple[frozenset[str], frozenset[str]]]) -> list[Class]:
    """Every class that was wanted or said, by name."""
    wanted: Counter[str] = Counter()
    said: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for own, told in labels:
        wanted.update(own)
        said.update(told)
        right.update(own & told)
    return [Class(name, wanted[name], said[name], right[name]) for name in sorted(wanted | said)]


def confusions(labels: Sequence[tuple[frozenset[str], frozenset[str]]]) -> list[Confusion]:
    """Every pair of a wanted class and the one that was said, the most frequent first; of one label a row alone."""
    if any(len(own) != 1 or len(told) != 1 for own, told in labels):
        return []
    pairs = Counter((*own, *told) for own, told in labels)
    ranked = sorted(pairs.items(), key=lambda each: (-each[1], each[0]))
    return [Confusion(pair[0], pair[1], rows) for pair, rows in ranked]
