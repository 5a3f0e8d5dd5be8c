"""What a verdict was computed from: a line a held-out row, both sides of it, written and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..contracts import Floats, Metric
from ..errors import Refusal
from ..records import Example, Pair, Prediction
from ..runs import plain, records
from ..runs.redact import redacted

AGAINST: Final = "base"
TUNED: Final = "tuned"
SIDES: Final = (AGAINST, TUNED)


@dataclass(frozen=True, slots=True)
class Kept:
    """One held-out row as the file keeps it: what it was, and what each side (`base`, `tuned`) said of it.

    row: its index in the held-out side.
    """

    row: int
    example: Pair
    sides: Mapping[str, Prediction]

    @property
    def answered(self) -> bool:
        """Whether every side generated an answer."""
        return all(prediction.stopped_by for prediction in self.sides.values())

    def measurable(self, metric: Metric) -> bool:
        """Whether the row has what the metric reads."""
        if metric.needs == "text":
            return self.answered
        return any(prediction.weight != 0 for prediction in self.sides.values())


def lines(measured: Mapping[str, Mapping[int, Prediction]], examples: Sequence[Example]) -> Iterator[bytes]:
    """What was measured of each row on both sides, as JSON lines: whoever doubts the verdict can compute it again."""
    for index in sorted(measured[TUNED]):
        row: dict[str, Any] = {"row": index, "where": examples[index].where, "group": examples[index].group}
        for who, found in measured.items():
            one = found[index]
            row[who] = {"loss": one.term, "weight": one.weight}
            if one.stopped_by:
                row[who] |= {"text": one.text, "stopped_by": one.stopped_by, "tokens": one.tokens}
                row |= {"reference": one.reference, "prompt": one.prompt}
        yield plain.line(redacted(row))


def read(path: Path) -> list[Kept]:
    """The rows of the file, none where there is no file. Raises Refusal with `file:line` for a damaged line."""
    kept = []
    for index, line in enumerate(records.read(path)):
        try:
            kept.append(_kept(index, line))
        except (KeyError, TypeError) as error:
            raise Refusal("runs.broken_predictions", f"a prediction is damaged: it lacks {error}",
                          f"{path}:{index + 1}", "measure again with `tunesmith evaluate RUN`") from error
    return kept


def statistics(metric: Metric, rows: Sequence[Kept], side: str) -> Floats:
    """(R, K) what the metric reads of each row, all of which must be measurable.

    The example handed to the metric has the prompt that was asked and the reference, whatever kind it once was.
    """
    settings = metric.Settings()
    return np.array([metric.measure(row.sides[side], row.example, settings) for row in rows], np.float64)


def of_each(metric: Metric, rows: Sequence[Kept], side: str) -> list[float]:
    """The metric's value of every row by itself."""
    if not rows:
        return []
    found = statistics(metric, rows, side)
    return [float(metric.combine(found[row : row + 1], np.ones((1, 1)))[0]) for row in range(len(found))]


def _kept(index: int, line: Mapping[str, Any]) -> Kept:
    prompt, reference = line.get("prompt", ""), line.get("reference", "")
    sides = {
        who: Prediction(
            index, line[who]["loss"], line[who]["weight"], prompt, line[who].get("text", ""), reference,
            line[who].get("stopped_by", ""), line[who].get("tokens", 0),
        )
        for who in SIDES
    }
    return Kept(line.get("row", index), Pair(prompt, reference, line["where"], line["group"]), sides)
