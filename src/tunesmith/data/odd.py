"""What is odd about examples and only many of them show: labels that are none. Odd texts are told by `check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..reading.numbers import is_number
from ..records import Example, Finding, Labelled

_ENOUGH = 20


@dataclass(slots=True)
class Odd:
    """Counts, and where the first label stands."""

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def add(self, example: Example) -> None:
        """Count what an example has."""
        self.rows += 1
        if isinstance(example, Labelled):
            self.labels.update(example.labels or ())
            self.first = self.first or example.where

    def told(self) -> Iterator[Finding]:
        """A warning for each kind of thing that is odd."""
        if len(self.labels) * 2 > self.rows >= _ENOUGH and not all(map(is_number, self.labels)):
            yield Finding("warning", "data.many_labels", f"{self.rows} rows have {len(self.labels)} different labels, "
                          "and a class is learnt from many rows", self.first,
                          "name the column of the label in `data.columns`, or another format in `data.format`")
