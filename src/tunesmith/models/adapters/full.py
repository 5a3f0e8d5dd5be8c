"""Every weight of the network learns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from ...errors import Misuse

weights_file = "model.safetensors"


class Settings(BaseModel):
    """Full tuning has no options of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def attach(network: torch.nn.Module, settings: Settings, *, seed: int) -> tuple[str, ...]:
    """Make every weight learn; returns their names. Tied weights are named once."""
    network.requires_grad_(True)
    return tuple(name for name, _ in network.named_parameters())


def merge(network: torch.nn.Module) -> None:
    """Nothing to fold in: what learnt are the weights themselves."""
    network.requires_grad_(False)


def off(network: torch.nn.Module) -> AbstractContextManager[None]:
    """Raises Misuse: the base's own weights are the ones that changed."""
    raise Misuse("adapter.no_base", "the base's own answers are gone: full tuning changes its weights", "adapter.type",
                 "open the base a second time to compare with it")


def parameters(shapes: Mapping[str, tuple[int, ...]], settings: Settings) -> int:
    """All the numbers of all the weights."""
    return sum(math.prod(shape) for shape in shapes.values())


def disk_name(name: str) -> str:
    """The name in the network is the name on disk."""
    return name


def configuration(network: torch.nn.Module, settings: Settings, base: str) -> Mapping[str, Mapping[str, Any]]:
    """The network's own `config.json`, so that transformers opens the folder."""
    from transformers import PreTrainedModel

    if not isinstance(network, PreTrainedModel):
        return {}
    return {"config.json": network.config.to_diff_dict()}
