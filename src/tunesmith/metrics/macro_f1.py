"""Mean of the F1 of each class, so that a rare class weighs as much as a frequent one.

F1 is the harmonic mean of precision and recall: 2 hits / (2 hits + false alarms + misses); Van Rijsbergen 1979,
"Information Retrieval", chapter 7. Equal to scikit-learn's `f1_score(average="macro")`.
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
unit: Final = "mean F1 of the classes"


class Settings(BaseModel):
    """Mean of the F1 of each class; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The classes expected and said, as `_classes` writes them."""
    return statistics(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) means, 0 to 1."""
    found = tally(statistics_RK, counts_BR)
    return found.mean(2 * found.hits, 2 * found.hits + found.alarms + found.misses)
