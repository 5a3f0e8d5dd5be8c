"""BLEU of the generated answers, as sacrebleu has it: how many of their runs of 1 to 4 words stand in the references.

Source: Papineni, Roukos, Ward, Zhu 2002, "BLEU: a method for automatic evaluation of machine translation"; Post 2018,
"A call for clarity in reporting BLEU scores". Every value equals sacrebleu's `corpus_bleu` of the same rows: its
tokenizer `13a`, its exponential smoothing, case kept. It belongs to a corpus: of one row alone it is 0 where the answer
has fewer than four words. Rows may have several references.
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

ORDER: Final = 4

higher_is_better: Final = True
needs: Final = "text"
unit: Final = _sacrebleu.unit("eff:no|tok:13a|smooth:exp")


class Settings(BaseModel):
    """BLEU by sacrebleu, with its defaults; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@cache
def _scorer() -> Any:
    return _sacrebleu.scorer("BLEU")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """Words of the answer and of the closest reference, then of 1 to 4 words the runs that are right, and all runs."""
    return _sacrebleu.counts(_scorer(), prediction.text, _right.answers(prediction, example))


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) 0 to 100; 0 for a draw in which nothing is right."""
    sums_BK = counts_BR @ statistics_RK
    answer, reference = sums_BK[:, 0], sums_BK[:, 1]
    right, all_ = sums_BK[:, 2 : 2 + ORDER], sums_BK[:, 2 + ORDER :]
    smoothed = right == 0
    halved = 0.5 ** smoothed.cumsum(axis=1)  # each order without any match counts half as much as the one before
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(smoothed, halved, right) / all_)
        brevity = np.minimum(0.0, 1 - reference / answer)
        score = 100 * np.exp(brevity + logs.mean(axis=1))
    some = right.any(axis=1) & (all_ > 0).all(axis=1)
    return np.asarray(np.where(some, score, 0.0), np.float64)
