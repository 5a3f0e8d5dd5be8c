"""Perplexity of the held-out targets: e to the mean loss; 1 is certainty, the size of the vocabulary a blind guess.

Source: Jelinek, Mercer, Bahl, Baker 1977, "Perplexity: a measure of the difficulty of speech recognition tasks".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from . import loss
from .loss import measure as measure

higher_is_better: Final = False
needs: Final = "loss"
unit: Final = "perplexity per token"


class Settings(BaseModel):
    """Perplexity of the held-out targets; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) e to the loss of each draw; infinite where that is beyond 709 nats."""
    with np.errstate(over="ignore"):
        return np.exp(loss.combine(statistics_RK, counts_BR))
