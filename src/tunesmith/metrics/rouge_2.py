"""ROUGE-2 of the generated answers: F1 of the pairs of neighbouring words that stand in both texts, over rows.

Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries". On ASCII text every value equals
`rouge_score`'s `rouge2` without stemming; what a word is, and what several references do, is as in `rouge_l`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from .exact_match import combine as combine
from .rouge_1 import of_runs

higher_is_better: Final = True
needs: Final = "text"
unit: Final = "mean F1"


class Settings(BaseModel):
    """ROUGE-2 of the answers; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number, 0 to 1: the F1 of this answer's pairs of words; 0 where a text has only one."""
    return (of_runs(prediction, example, 2),)
