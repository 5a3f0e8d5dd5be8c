"""F1 of all labels of all rows counted together, so that a frequent class weighs more than a rare one.

Measured where a row has several labels; of one label a row it is the accuracy. Equal to scikit-learn's
`f1_score(average="micro")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._classes import divided, statistics, tally

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "F1 of all labels"


class Settings(BaseModel):
    """F1 of all labels counted together; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The classes expected and said, as `_classes` writes them; none of a row with one label."""
    return statistics(prediction) if "labels" in prediction.output else ()


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1; 0 for a draw that neither expects nor says any label."""
    found = tally(statistics_RK, counts_BR)
    hits_B = found.hits.sum(axis=1)
    return divided(2 * hits_B, 2 * hits_B + found.alarms.sum(axis=1) + found.misses.sum(axis=1))
