"""Which of the engine's ideas are on: all of them, but for those that a benchmark or a test leaves out."""

from __future__ import annotations

import functools
import os

NAMES = ("native", "tiles", "block", "attention", "tail", "lora", "buffers", "cache")


def on(name: str) -> bool:
    """Whether an idea is in use. `TUNESMITH_WITHOUT=tail,tiles` leaves some out, to measure what each is worth."""
    assert name in NAMES, name
    return name not in _left_out(os.environ.get("TUNESMITH_WITHOUT", ""))


@functools.cache
def _left_out(told: str) -> frozenset[str]:
    """The names in a list of them: asked hundreds of times a step."""
    return frozenset(told.split(","))
