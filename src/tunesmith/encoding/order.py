"""Seeds by name, and the order in which examples come: any place in it can be found again without replaying it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for one use, from the recipe's seed and what it is for (`"shuffle", epoch`)."""
    key = "\0".join(map(str, (seed, *names))).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1


def epoch_order(examples: Sequence[int], seed: int, epoch: int, cycle: str = "") -> list[int]:
    """The examples in the order of one epoch, the same wherever and whenever it is asked for.

    cycle: the name of a source that is mixed in, whose order is its own.
    """
    names = ("shuffle", cycle, epoch) if cycle else ("shuffle", epoch)
    shuffled = np.random.default_rng(seed_for(seed, *names)).permutation(len(examples))
    return [examples[place] for place in shuffled]


def total_steps(
    examples: int, batch_size: int, epochs: float, steps: int | None = None, *, share: float = 1.0
) -> int:
    """Optimiser steps of the whole training: enough that each example is seen `epochs` times, at most `steps`.

    Every step takes `batch_size` examples; where an epoch does not fill its last batch, the next epoch does. share: of
    the rows taken, those that are these examples.
    """
    whole = max(1, math.ceil(examples * epochs / (batch_size * share) - 1e-9))
    return min(whole, steps) if steps else whole
