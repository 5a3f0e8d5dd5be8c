"""What the workflow tells whoever watches a run: values, which the command line or a page renders as it likes."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Finding


@dataclass(frozen=True, slots=True)
class Said:
    """A line for a person: what happens now, or what was chosen and why."""

    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A check noticed something."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Stepped:
    """An optimiser step was taken.

    step: its number from 1, of `total`; loss: nats per supervised token; rate: the learning rate used;
    gradient_norm: before it was clipped; tokens_per_second: rows computed in a second; memory_bytes: the process's
    peak; seconds_left: of the training.
    """

    step: int
    total: int
    loss: float
    rate: float
    gradient_norm: float
    tokens_per_second: float
    memory_bytes: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out rows were measured while training; `best` says that no earlier measure was lower."""

    step: int
    loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """`done` of `total` answers are generated, by `who` (`base` or `tuned`)."""

    who: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Predicted:
    """So many rows are predicted; how many there will be, nobody knows."""

    done: int


Event = Said | Found | Stepped | Judged | Answered | Predicted


def silent(event: Event) -> None:
    """Nobody watches."""
