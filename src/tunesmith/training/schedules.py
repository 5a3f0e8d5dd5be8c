"""The learning rate as a function of how much of the training is behind: shares, so that no schedule counts steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Shape = Literal["cosine", "linear", "constant"]


def factor(shape: Shape, warmup: float, *, before: float, after: float) -> float:
    """What the peak learning rate is multiplied by, 0 to 1, in the step that leads from `before` to `after`.

    before, after: shares of the whole training that are done, 0 to 1. warmup: the share in which the rate climbs in a
    straight line. The climb is read at the end of the step and the fall at its beginning, so that neither the first
    nor the last step is wasted on a rate of zero.
    """
    if before < warmup:
        return min(after / warmup, 1.0)
    progress = (before - warmup) / (1.0 - warmup) if warmup < 1.0 else 1.0
    fall: dict[Shape, Callable[[float], float]] = {
        "cosine": lambda share: 0.5 * (1.0 + math.cos(math.pi * share)),
        "linear": lambda share: 1.0 - share,
        "constant": lambda share: 1.0,
    }
    return fall[shape](min(progress, 1.0))
