"""ROUGE-1 of the generated answers: F1 of the words that stand in both texts, averaged over rows.

Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries". On ASCII text every value equals
`rouge_score`'s `rouge1` without stemming; what a word is, and what several references do, is as in `rouge_l`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from . import _right
from .exact_match import combine as combine
from .rouge_l import f1, words

higher_is_better: Final = True
needs: Final = "text"
unit: Final = "mean F1"


class Settings(BaseModel):
    """ROUGE-1 of the answers; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def of_runs(prediction: Prediction, example: Example, length: int) -> float:
    """The F1 of runs of so many words, with the reference that gives the most."""
    answer = _runs(prediction.text, length)
    references = (_runs(reference, length) for reference in _right.answers(prediction, example))
    return max(f1((answer & each).total(), answer.total(), each.total()) for each in references)


def _runs(text: str, length: int) -> Counter[tuple[str, ...]]:
    found = words(text)
    return Counter(zip(*(found[start:] for start in range(length)), strict=False))


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number, 0 to 1: the F1 of this answer's words."""
    return (of_runs(prediction, example, 1),)
