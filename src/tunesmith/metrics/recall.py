"""Mean over classes of the share of its rows that were found.

Equal to scikit-learn's `recall_score(average="macro")`; 0 for a class that no row is of and that was said all the same.
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
unit: Final = "mean recall of the classes"


class Settings(BaseModel):
    """Mean of the recall of each class; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The classes expected and said, as `_classes` writes them."""
    return statistics(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) means, 0 to 1."""
    found = tally(statistics_RK, counts_BR)
    return found.mean(found.hits, found.hits + found.misses)
