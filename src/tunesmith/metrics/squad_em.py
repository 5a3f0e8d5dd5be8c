"""Share of answers that equal a right answer, as SQuAD's script compares them (`compute_exact`).

Rajpurkar et al. 2016 and 2018: in lower case, without ASCII punctuation, the English articles and differences of white
space. Of a question without an answer only "no answer" is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from .exact_match import combine as combine
from .squad_f1 import right, words

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of answers"


class Settings(BaseModel):
    """Share of answers that equal a right one; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: 1 where the answer is one of the right ones, else 0."""
    return (float(words(prediction.output["answer"]) in right(example)),)
