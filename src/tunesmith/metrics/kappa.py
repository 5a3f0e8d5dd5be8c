"""Cohen's kappa: how far two agree on labels beyond what their frequencies alone would give.

(seen - chance) / (1 - chance), where chance is the share of rows on which two would agree that drew their labels at
random, each as often as they did: Cohen 1960, "A coefficient of agreement for nominal scales". 1 is full agreement, 0
no more than by chance. Of rows with several labels each label is a yes or no of its own, and the mean of their kappas
is told: no distance between sets has to be chosen for that, as Krippendorff's alpha would need, and the label that is
understood in two ways is seen. Equal to scikit-learn's `cohen_kappa_score`, but where both say one and the same of
every row: that is full agreement here, and no number there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..records import Example, Prediction
from ._classes import MULTI, statistics

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "kappa"
_NONE: Final = 1e-12  # what rounding leaves of 1 - chance where it is nothing


class Settings(BaseModel):
    """Agreement beyond chance; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The classes expected and said, as `_classes` writes them."""
    return statistics(prediction)


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) kappas, at most 1."""
    if statistics_RK[0, 0] == MULTI:
        kappas_BL = of_each(statistics_RK[:, 1:] % 2, statistics_RK[:, 1:] // 2, counts_BR)
        told_BL = np.isfinite(kappas_BL)
        sums_B = np.where(told_BL, kappas_BL, 0.0).sum(axis=1)
        return np.where(told_BL.any(axis=1), sums_B / np.maximum(told_BL.sum(axis=1), 1), 1.0)
    expected_R, said_R = statistics_RK[:, 1], statistics_RK[:, 2]
    rows_B = counts_BR.sum(axis=1)
    chance_B = np.zeros(len(counts_BR))
    for label in np.unique(statistics_RK[:, 1:]):
        chance_B += (counts_BR @ (expected_R == label)) / rows_B * ((counts_BR @ (said_R == label)) / rows_B)
    return _beyond((counts_BR @ (expected_R == said_R)) / rows_B, chance_B, 1.0)


def of_each(expected_RL: Floats, said_RL: Floats, counts_BR: Floats) -> Floats:
    """(B, L) the kappa of each label as a yes (1) or no (0); no number where it is always yes or always no for both."""
    rows_B1 = counts_BR.sum(axis=1)[:, None]
    expected_BL, said_BL = counts_BR @ expected_RL / rows_B1, counts_BR @ said_RL / rows_B1
    seen_BL = counts_BR @ (expected_RL == said_RL) / rows_B1
    return _beyond(seen_BL, expected_BL * said_BL + (1 - expected_BL) * (1 - said_BL), np.nan)


def _beyond(seen: Floats, chance: Floats, same: float) -> Floats:
    """`same`: what stands where chance alone gives full agreement."""
    room = 1 - chance
    return np.where(room > _NONE, (seen - chance) / np.where(room > _NONE, room, 1.0), same)
