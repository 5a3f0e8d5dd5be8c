"""Share of the hidden tokens that the model's first guess gets right.

Source: Devlin 2018 (arXiv:1810.04805), whose code reports it as `masked_lm_accuracy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from . import loss

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of hidden tokens"


class Settings(BaseModel):
    """Share of hidden tokens that are guessed; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """How many hidden tokens are guessed, and how many there are."""
    guessed, wanted = prediction.output["tokens"], prediction.expected["tokens"]
    return sum(guesses[0] == token for guesses, token in zip(guessed, wanted, strict=True)), len(wanted)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) the share, 0 to 1; NaN for a draw without any token."""
    return loss.combine(statistics_RK, counts_BR)
