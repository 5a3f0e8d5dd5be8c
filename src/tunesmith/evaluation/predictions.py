"""What a verdict was computed from: a line a held-out row, both sides of it, written and read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..contracts import Floats, Metric
from ..errors import Refusal
from ..records import Example, Prediction
from ..runs import plain, records
from ..runs.redact import redacted

AGAINST: Final = "base"  # in the file; where the base has no head for the task, its strongest baseline
MOST_SCORES: Final = 10
TUNED: Final = "tuned"
SIDES: Final = (AGAINST, TUNED)


@dataclass(frozen=True, slots=True)
class Kept:
    """One held-out row as the file keeps it: what it was, and what each side (`base`, `tuned`) said of it.

    row: its index in the held-out side; measured: by side and metric, the statistics that the metric reads of the row.
    """

    row: int
    where: str
    group: str
    sides: Mapping[str, Prediction]
    measured: Mapping[str, Mapping[str, Sequence[float]]]

    @property
    def answered(self) -> bool:
        """Whether every side generated an answer."""
        return all(prediction.answered for prediction in self.sides.values())

    def has(self, metric: str) -> bool:
        """Whether the row was measured by the metric of that name on every side."""
        return all(metric in measured for measured in self.measured.values())


def lines(
    measured: Mapping[str, Mapping[int, Prediction]], examples: Sequence[Example], metrics: Mapping[str, Metric]
) -> Iterator[bytes]:
    """What was measured of each row on both sides, as JSON lines: whoever doubts the verdict can compute it again."""
    for index in sorted(measured[TUNED]):
        both = {who: found[index] for who, found in measured.items()}
        row: dict[str, Any] = {"row": index, "where": examples[index].where, "group": examples[index].group}
        told = {name: metric for name, metric in metrics.items()
                if measurable(metric, both.values(), examples[index])}
        for who, one in both.items():
            row[who] = {"loss": one.term, "weight": one.weight, "measured": {
                name: list(metric.measure(one, examples[index], metric.Settings())) for name, metric in told.items()}}
            if one.answered:
                row[who] |= {"text": one.text, "stopped_by": one.stopped_by, "tokens": one.tokens}
                row |= {"reference": one.reference, "prompt": one.prompt}
            if one.output:
                row[who] |= {"output": _short(one.output)}
                row |= {"expected": dict(one.expected)}
        yield plain.line(redacted(row))


def _short(output: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, with the ten largest scores; a metric that needs all of them has them in what was measured."""
    scores = output.get("scores", {})
    if len(scores) <= MOST_SCORES:
        return dict(output)
    largest = sorted(scores, key=scores.__getitem__, reverse=True)[:MOST_SCORES]
    return {**output, "scores": {name: scores[name] for name in largest}}


def read(path: Path) -> list[Kept]:
    """The rows of the file, none where there is no file. Raises Refusal with `file:line` for a damaged line."""
    kept = []
    for number, line in enumerate(records.read(path), start=1):
        try:
            kept.append(_kept(line))
        except (KeyError, TypeError) as error:
            raise Refusal("runs.broken_predictions", f"a prediction is damaged, or of an older version: it lacks"
                          f" {error}", f"{path}:{number}", "measure again with `tunesmith evaluate RUN`") from error
    return kept


def statistics(metric: str, rows: Sequence[Kept], side: str) -> Floats:
    """(R, K) what the metric of that name reads of each row, all of which must have it."""
    return np.array([row.measured[side][metric] for row in rows], np.float64)


def of_each(name: str, metric: Metric, rows: Sequence[Kept], side: str) -> list[float]:
    """The metric's value of every row by itself."""
    if not rows:
        return []
    found_RK = statistics(name, rows, side)
    return [float(metric.combine(found_RK[row : row + 1], np.ones((1, 1)))[0]) for row in range(len(rows))]


def measurable(metric: Metric, sides: Iterable[Prediction], example: Example) -> bool:
    """Whether a row has what the metric is measured on, on every side.

    Generated answers, or outputs of which the metric says something, or a weight.
    """
    if metric.needs == "text":
        return all(prediction.stopped_by for prediction in sides)
    if metric.needs == "output":
        return all(prediction.output and prediction.expected and metric.measure(prediction, example, metric.Settings())
                   for prediction in sides)
    return all(prediction.weight != 0 for prediction in sides)


def _kept(line: Mapping[str, Any]) -> Kept:
    row, prompt, reference = line["row"], line.get("prompt", ""), line.get("reference", "")
    sides = {
        who: Prediction(
            row, line[who]["loss"], line[who]["weight"], prompt, line[who].get("text", ""), reference,
            line[who].get("stopped_by", ""), line[who].get("tokens", 0), line[who].get("output", {}),
            line.get("expected", {}),
        )
        for who in SIDES
    }
    return Kept(row, line["where"], line["group"], sides, {who: line[who]["measured"] for who in SIDES})
