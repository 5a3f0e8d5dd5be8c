"""Several runs and bases opened for use at once: what is the same in their networks is in memory once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from weakref import WeakSet

import torch
from torch import nn

from ..errors import Misuse, raise_all
from . import predictor
from .predictor import Predictor


class Together:
    """Opens one after the other; each shares the frozen weights that one before it has, as long as that is in use."""

    def __init__(self) -> None:
        self._opened: WeakSet[nn.Module] = WeakSet()
        self._opening = Lock()  # a server opens what a job made while it answers

    def open(self, name: str) -> Predictor:
        """A run's folder or a base's name, opened as `predictor.open` does."""
        with self._opening:
            return predictor.open(name, share=self._share)

    def _share(self, network: nn.Module, learning: frozenset[str]) -> None:
        """Let a network read the weights of others in place of its own, where they are the same number for number.

        What learns, a run's own weights are laid into, so it is neither lent nor borrowed.
        """
        others = [dict(other.named_parameters()) for other in self._opened]
        for name, weight in network.named_parameters():
            if name in learning or weight.requires_grad:
                continue
            found = next((each[name] for each in others if name in each and _same(weight, each[name])), None)
            if found is not None:
                weight.data = found.data
        self._opened.add(network)


def open_runs(paths: Sequence[str | Path]) -> Mapping[str, Predictor]:
    """Runs and bases by their names, opened; adapters of one base share its weights.

    Raises Misuse where two have one name.
    """
    together = Together()
    opened: dict[str, Predictor] = {}
    for path in paths:
        found = together.open(str(path))
        if found.name in opened:
            raise_all([Misuse("run.same_name", f"two runs are called `{found.name}`", str(path),
                              "name each run once, or rename one of the folders")])
        opened[found.name] = found
    return opened


def _same(one: nn.Parameter, other: nn.Parameter) -> bool:
    return not other.requires_grad and one.shape == other.shape and one.dtype == other.dtype \
        and one.device == other.device and one.stride() == other.stride() and torch.equal(one, other)
