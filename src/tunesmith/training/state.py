"""All that changes while training, in one object; a checkpoint is this object saved.

Nothing random is kept: every draw is made from the recipe's seed by name (`seed_for(seed, "dropout", step, piece)`),
so the step's number and the position in the data say all there is to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..models.model import LanguageModel
from ..records import Position

OPTIMISER_FILE = "optimiser.safetensors"


@dataclass
class TrainState:
    """number: optimiser steps taken; memory: what early stopping remembers, as JSON."""

    model: LanguageModel
    optimiser: torch.optim.Optimizer
    number: int = 0
    position: Position = field(default_factory=lambda: Position(cursor={"epoch": 0, "index": 0, "step": 0}))
    memory: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        groups = self.optimiser.param_groups
        if groups and all("late_rows" in group for group in groups):
            self.model.learn_by_rows(self.optimiser.catch_up, self.optimiser.settle)  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """The part that is JSON; it stands in the checkpoint's manifest."""
        return {
            "number": self.number,
            "cursor": dict(self.position.cursor),
            "done_share": self.position.done_share,
            "memory": self.memory,
        }


def groups(model: LanguageModel) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: matrices, which weight decay may pull, and the rest.

    `copies` are the weights that compute in the masters' place, one for each or none at all.
    """
    matrices = [name for name, parameter in model.learns.items() if parameter.ndim >= 2]
    vectors = [name for name, parameter in model.learns.items() if parameter.ndim < 2]
    return [
        {"params": [model.learns[name] for name in names],
         "copies": [model.copies[name] for name in names if name in model.copies], "scale": 1.0, "decay": decay}
        for names, decay in ((matrices, True), (vectors, False))
    ]


def save(state: TrainState, folder: Path) -> None:
    """Write what learns, in the ecosystem's format, and the optimiser's tensors into a folder."""
    model = state.model
    save_file(model.tensors(), folder / model.adapter.weights_file, metadata={"format": "pt"})
    save_file(optimiser_tensors(state), folder / OPTIMISER_FILE)


def load(state: TrainState, folder: Path, facts: Mapping[str, Any]) -> None:
    """Lay a saved state into a freshly built one, bit for bit."""
    state.model.load(load_file(folder / state.model.adapter.weights_file))
    tensors = load_file(folder / OPTIMISER_FILE)
    for name, parameter in state.model.learns.items():
        state.optimiser.state[parameter] = {
            key.split("/", 1)[0]: value.to(parameter.device)
            for key, value in tensors.items() if key.split("/", 1)[1] == name
        }
    state.number = facts["number"]
    state.position = Position(cursor=facts["cursor"], done_share=facts["done_share"])
    state.memory = dict(facts["memory"])


def optimiser_tensors(state: TrainState) -> dict[str, Tensor]:
    """What the optimiser keeps for each parameter, named `exp_avg/NAME`."""
    return {
        f"{key}/{name}": value.contiguous()
        for name, parameter in state.model.learns.items()
        for key, value in state.optimiser.state[parameter].items()
    }
