"""Share of the rows' entities that were predicted; equal to seqeval's `recall_score`.

0 where there are none and some were predicted, 1 where none was.
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
unit: Final = "share of entities"


class Settings(BaseModel):
    """Share of the rows' entities that were predicted; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) shares, 0 to 1."""
    right_B, said_B, wanted_B = (counts_BR @ statistics_RK).T
    return share(right_B, wanted_B, np.where(said_B > 0, 0.0, 1.0))
