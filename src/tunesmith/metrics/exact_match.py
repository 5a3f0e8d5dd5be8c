"""Share of generated answers that are the reference, character for character, blank ends aside.

Both are brought to Unicode's NFC (so that an accent typed as one or two characters is the same letter) and stripped
of blank space at both ends. Case, punctuation, inner spaces and the way a number is written all count. Of several
references any may be met.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from . import _right

higher_is_better: Final = True
needs: Final = "text"
unit: Final = "share of answers"


class Settings(BaseModel):
    """Share of answers that equal the reference; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def normalise(text: str) -> str:
    """The text in NFC, without blank space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: 1 where the answer is a reference, else 0."""
    right = map(normalise, _right.answers(prediction, example))
    return (float(normalise(prediction.text) in right),)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1; NaN for a draw without any row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts_BR @ statistics_RK[:, 0] / counts_BR.sum(axis=1), np.float64)
