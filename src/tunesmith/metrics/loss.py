"""Mean loss of the held-out targets, in nats per unit of weight (a token, where every weight is 1).

The cross entropy of the reference answer under the model, token by token, as it is trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction

higher_is_better: Final = False
needs: Final = "loss"
unit: Final = "nats per token"


class Settings(BaseModel):
    """Mean loss of the held-out targets; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The summed loss in nats, and the weight it is divided by."""
    return prediction.term, prediction.weight


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) nats per unit of weight; NaN for a draw without any weight."""
    sums_BK = counts_BR @ statistics_RK
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums_BK[:, 0] / sums_BK[:, 1], np.float64)
