"""Mean over classes of the share of right ones among the rows that were given the class.

Equal to scikit-learn's `precision_score(average="macro")`; 0 for a class that was never said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._classes import statistics, tally

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "mean precision of the classes"


class Settings(BaseModel):
    """Mean of the precision of each class; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The classes expected and said, as `_classes` writes them."""
    return statistics(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) means, 0 to 1."""
    found = tally(statistics_RK, counts_BR)
    return found.mean(found.hits, found.hits + found.alarms)
