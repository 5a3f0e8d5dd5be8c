"""Mean of the types' F1: a rare type of entity counts as much as a common one.

Equal to seqeval's `f1_score(average="macro")`: of the types that stand in the rows or were predicted. 1 where
none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from .entity_f1 import found, share

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "mean F1 of types"


class Settings(BaseModel):
    """Mean of the types' F1; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """Three counts for each type in turn: entities that are right, those predicted, those of the row."""
    said, wanted = found(prediction.output), found(prediction.expected)
    both = said & wanted
    return [float(sum(one[0] == kind for one in some))
            for kind in prediction.expected["types"] for some in (both, said, wanted)]


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) means, 0 to 1."""
    values_BT, there_BT = by_type(statistics_RK, counts_BR)
    return share(np.where(there_BT, values_BT, 0.0).sum(1), there_BT.sum(1), 1.0)


def by_type(statistics_RK: Floats, counts_BR: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(B, T) the F1 of each type, and whether there is any entity of it on either side."""
    counts_BTK = (counts_BR @ statistics_RK).reshape(len(counts_BR), -1, 3)
    some_BT = counts_BTK[..., 1] + counts_BTK[..., 2]
    return share(2 * counts_BTK[..., 0], some_BT, 1.0), some_BT > 0
