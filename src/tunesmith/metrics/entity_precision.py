"""Share of the predicted entities that are right; equal to seqeval's `precision_score`.

0 where none was predicted and there are some, 1 where there are none to predict.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from .entity_f1 import measure as measure
from .entity_f1 import share

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of predicted entities"


class Settings(BaseModel):
    """Share of the predicted entities that are right; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1."""
    right_B, said_B, wanted_B = (counts_BR @ statistics_RK).T
    return share(right_B, said_B, np.where(wanted_B > 0, 0.0, 1.0))
