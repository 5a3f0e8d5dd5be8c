"""chrF of the generated answers, as sacrebleu has it: F2 of their runs of 1 to 6 characters, blanks aside.

Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation". Every value equals sacrebleu's
`corpus_chrf` of the same rows. It needs no tokenizer, so it suits languages with long words, and rows of few. Of
several references the one that an answer is nearest to counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from . import _right, _sacrebleu

RECALL: Final = 4  # the square of chrF's beta of 2: recall counts twice as much as precision

higher_is_better: Final = True
needs: Final = "text"
unit: Final = _sacrebleu.unit("eff:yes|nc:6|nw:0|space:no")


class Settings(BaseModel):
    """chrF by sacrebleu, with its defaults; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@cache
def _scorer() -> Any:
    return _sacrebleu.scorer("CHRF")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """Of 1 to 6 characters each: runs of the answer, runs of the reference, and how many of them are the same."""
    return _sacrebleu.counts(_scorer(), prediction.text, _right.answers(prediction, example))


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) 0 to 100; 0 for a draw in which nothing is right."""
    sums_BK = counts_BR @ statistics_RK
    answer, reference, right = (sums_BK[:, first::3] for first in range(3))
    counted = (answer > 0) & (reference > 0)
    orders = counted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(counted, right / answer, 0.0).sum(axis=1) / orders
        recall = np.where(counted, right / reference, 0.0).sum(axis=1) / orders
        score = 100 * (1 + RECALL) * precision * recall / (RECALL * precision + recall)
    return np.asarray(np.where((orders > 0) & (precision + recall > 0), score, 0.0), np.float64)
