"""Mean of the squared distance between the number expected and the one said.

Equal to scikit-learn's `mean_squared_error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from ._values import statistics
from .exact_match import combine as combine

higher_is_better: Final = False
needs: Final = "output"
unit: Final = "squared units of the label"


class Settings(BaseModel):
    """Mean squared distance; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: how far off this row is; none where no number was asked for."""
    both = statistics(prediction)
    return ((both[1] - both[0]) ** 2,) if both else ()
