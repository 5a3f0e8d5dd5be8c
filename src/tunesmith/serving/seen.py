"""What was asked and answered, for whoever watches over the run; nothing where nobody does."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..monitoring.log import Seen


class Hears(Protocol):
    """What `app.state.log` is, where somebody watches."""

    def write(self, seen: Seen) -> None:
        """Keep it, without failing and without waiting."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The facts of one answer. tokens: read and written; sure: 0 to 1; error: the code of what went wrong.

    scores: how likely each label was.
    """

    id: str
    model: str
    kind: str
    asked: str
    answered: str
    tokens: tuple[int, int]
    seconds: float
    sure: float | None = None
    label: str | None = None
    error: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


def noted(log: Hears | None, told: Exchange) -> None:
    """Let the log hear of it."""
    if log is not None:
        log.write(Seen(told.id, time.time(), told.model, told.kind, told.asked, told.answered, *told.tokens,
                       told.seconds, told.sure, told.label, told.error, told.scores))


def sureness(output: Mapping[str, Any]) -> float | None:
    """How sure a head is of what it says, where it tells: the score of it, or of its only label."""
    if "score" in output:
        return float(output["score"])
    if "label" in output:
        return float(output["scores"][output["label"]])
    return None


def shared_sureness(log_probability: float, tokens: int) -> float | None:
    """The geometric mean of the probabilities of an answer's tokens."""
    return math.exp(log_probability / tokens) if tokens else None
