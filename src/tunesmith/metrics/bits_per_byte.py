"""Bits that the model needs for each byte of the held-out text: comparable whatever the vocabulary.

The summed loss in nats over ln 2, divided by the UTF-8 bytes of the tokens that were predicted. What a control token
costs, such as the text's end, counts; it spells nothing. A first token that nothing stands before is not predicted, and
its bytes are not counted. Source: Gao 2020, "The Pile" (arXiv:2101.00027), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Floats
from ..errors import Misuse
from ..records import Example, Prediction
from . import loss

higher_is_better: Final = False
needs: Final = "loss"
unit: Final = "bits per byte"


class Settings(BaseModel):
    """Bits per byte of the held-out text; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """The summed loss in bits, and the bytes that it is divided by. Raises Misuse where no text is predicted."""
    if prediction.weight and not prediction.bytes:
        raise Misuse("metric.no_bytes", "`bits_per_byte` is of text that is predicted, and this task predicts none",
                     "evaluation.metric", "leave it out, or use `task: completion`")
    return prediction.term / math.log(2), prediction.bytes


def combine(statistics_RK: Floats, counts_BR: Floats) -> Floats:
    """(B,) bits a byte; NaN for a draw without any byte."""
    return loss.combine(statistics_RK, counts_BR)
