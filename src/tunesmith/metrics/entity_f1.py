"""F1 of the entities: right where the words, from first to last, and the type are those of the row.

All entities of all rows count alike (micro). Equal to seqeval's `f1_score`, but for rows with no entity on either side:
nothing was missed there, so that is 1 and not 0. Of plain tags every word is an entity, and this is the share of words
with the right tag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "F1"


class Settings(BaseModel):
    """F1 of the entities; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def found(told: Mapping[str, Any]) -> set[tuple[str, int, int]]:
    """The entities of a row, as type, first word and the word behind the last."""
    if "entities" in told:
        return {(one["type"], *one["words"]) for one in told["entities"]}
    return {(tag, place, place + 1) for place, tag in enumerate(told["tags"])}


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """Three counts of entities: those that are right, those predicted, those of the row."""
    said, wanted = found(prediction.output), found(prediction.expected)
    return (float(len(said & wanted)), float(len(said)), float(len(wanted)))


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) F1, 0 to 1; 1 for a draw without any entity."""
    right_B, said_B, wanted_B = (counts_BR @ statistics_RK).T
    return share(2 * right_B, said_B + wanted_B, 1.0)


def share(of: Floats, whole: Floats, empty: float | Floats) -> Floats:
    """Each of `of` by its whole, and `empty` where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, of / whole, empty)
