"""Share of rows whose label is right; of rows with several labels, of those where the whole set is.

Equal to scikit-learn's `accuracy_score`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from .exact_match import combine as combine

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "share of rows"


class Settings(BaseModel):
    """Share of right labels; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number: 1 where what was said is what the row has, else 0; none where no label was asked for."""
    said, expected = prediction.output, prediction.expected
    if "label" in said and "label" in expected:
        return (float(said["label"] == expected["label"]),)
    if "labels" in said and "labels" in expected:
        return (float(set(said["labels"]) == set(expected["labels"])),)
    return ()
