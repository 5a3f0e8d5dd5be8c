"""Share of words that have the right tag; where most words are outside of entities, a high one means little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from .entity_f1 import share

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of words"


class Settings(BaseModel):
    """Share of words with the right tag; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """Two counts of words: those with the right tag, and all."""
    said, wanted = prediction.output["tags"], prediction.expected["tags"]
    return (float(sum(one == other for one, other in zip(said, wanted, strict=True))), float(len(wanted)))


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1; 1 for a draw without any word."""
    right_B, words_B = (counts_BR @ statistics_RK).T
    return share(right_B, words_B, 1.0)
