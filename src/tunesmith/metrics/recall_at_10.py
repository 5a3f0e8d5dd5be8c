"""Share of prompts whose own answer is one of the ten nearest of all rows that are asked.

By cosine; equal answers count once, and other right answers of the same prompt are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from .mrr import combine as combine

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of prompts"


class Settings(BaseModel):
    """Share of prompts whose answer is among the first ten; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: 1 where the rank is 10 or less, else 0; none of a row whose rank was not asked."""
    rank = prediction.output.get("rank")
    return (float(rank <= 10),) if rank else ()
