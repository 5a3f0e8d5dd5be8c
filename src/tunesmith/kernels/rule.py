"""What a layer's attention does to its scores, as every way of computing it is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores become weights: `scale * q.k`, `softcap * tanh(. / softcap)`, and which rows are seen.

    causal: a row sees those up to itself, else the whole document; window: only those less than so many rows away.
    """

    scale: float
    softcap: float | None = None
    window: int | None = None
    dropout: float = 0.0
    causal: bool = True
