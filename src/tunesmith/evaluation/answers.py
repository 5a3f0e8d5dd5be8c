"""The answers of both sides, row by row, those that tuning made worse first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..contracts import Metric
from .predictions import AGAINST, TUNED, Kept, of_each

Change = Literal["lost", "same", "won"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A held-out row that both sides answered.

    against_value, tuned_value: of the deciding metric, for this row alone; change: whether tuning lost by it, won, or
    left it as it was; cut: the sides whose answers did not end by themselves; expected, output: of a head, what the row
    has and what the tuned model says.
    """

    where: str
    prompt: str
    reference: str
    against: str
    tuned: str
    against_value: float
    tuned_value: float
    change: Change
    cut: tuple[str, ...]
    expected: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)


def worst_first(rows: Sequence[Kept], name: str, metric: Metric) -> list[Answer]:
    """What tuning lost first, the largest loss foremost; then the rest, by how poor the tuned answer is.

    Equal ones stand by the loss of the reference under the tuned model, the highest first.
    """
    answered = [row for row in rows if row.answered and row.has(name)]
    values = zip(answered, *(of_each(name, metric, answered, side) for side in (AGAINST, TUNED)), strict=True)
    sign = 1 if metric.higher_is_better else -1
    ranked = []
    for place, (row, against, tuned) in enumerate(values):
        gain = sign * (tuned - against)
        gain = 0.0 if math.isnan(gain) else gain
        quality = -math.inf if math.isnan(tuned) else sign * tuned
        rank = (gain >= 0, gain if gain < 0 else quality, -_loss(row), place)
        ranked.append((rank, _answer(row, (against, tuned), gain)))
    return [answer for _, answer in sorted(ranked, key=lambda pair: pair[0])]


def _answer(row: Kept, values: tuple[float, float], gain: float) -> Answer:
    change: Change = "same" if gain == 0 else "won" if gain > 0 else "lost"
    cut = tuple(who for who, one in row.sides.items() if one.stopped_by == "length")
    base, tuned = row.sides[AGAINST], row.sides[TUNED]
    return Answer(row.where, tuned.prompt, tuned.reference, base.text, tuned.text, *values, change, cut,
                  tuned.expected, tuned.output)


def _loss(row: Kept) -> float:
    """How far off the tuned model was: its loss, or how sure it was of a wrong label."""
    one = row.sides[TUNED]
    if one.weight:
        return one.term / one.weight
    label, scores = one.output.get("label"), one.output.get("scores", {})
    return float(scores.get(label, 0.0)) if label != one.expected.get("label") else 0.0
