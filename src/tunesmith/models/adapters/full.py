"""Every weight of the network learns, but for those that are frozen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from ...errors import Misuse
from .. import rows
from ._layers import Names, frozen

weights_file = "model.safetensors"


class Settings(BaseModel):
    """What of the network is left as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    freeze: Names = ()
    """What does not learn: `embeddings`, a number of lowest layers, or parts of names; a list of these.

    `[embeddings, 16]` leaves the embeddings and the 16 lowest layers as they are: nothing is sent back through them,
    which saves time and memory. A tied head is the embedding, and frozen with it. Names are whole parts, such as `mlp`,
    `layers.0`, `q_proj`, with `*` for any. Try `embeddings` first, where the rows are few.
    """


def attach(network: torch.nn.Module, settings: Settings, *, seed: int) -> tuple[str, ...]:
    """Make every weight learn that is not frozen; returns their names. Tied weights are named once.

    Of a frozen embedding the rows of new tokens learn. Raises Misuse where `freeze` names nothing, or everything.
    """
    weights = dict(network.named_parameters())
    still = frozen(weights, settings.freeze)
    for name, weight in weights.items():
        weight.requires_grad_(name not in still)
    return (*(name for name in weights if name not in still), *rows.learn(network))


def merge(network: torch.nn.Module) -> None:
    """Nothing to fold in but rows of new tokens: what learnt are the weights themselves."""
    rows.merge(network)
    network.requires_grad_(False)


def off(network: torch.nn.Module) -> AbstractContextManager[None]:
    """Raises Misuse: the base's own weights are the ones that changed."""
    raise Misuse("adapter.no_base", "the base's own answers are gone: full tuning changes its weights", "adapter.type",
                 "open the base a second time to compare with it")


def parameters(shapes: Mapping[str, tuple[int, ...]], settings: Settings) -> int:
    """All the numbers of all the weights that are not frozen."""
    still = frozen(shapes, settings.freeze)
    return sum(math.prod(shape) for name, shape in shapes.items() if name not in still)


def disk_name(name: str) -> str:
    """The name in the network is the name on disk."""
    return name


def configuration(network: torch.nn.Module, settings: Settings, base: str) -> Mapping[str, Mapping[str, Any]]:
    """The network's own `config.json`, so that transformers opens the folder; none where the folder lacks weights."""
    from transformers import PreTrainedModel

    if not isinstance(network, PreTrainedModel) or settings.freeze:
        return {}
    return {"config.json": {**json.loads(network.config.to_json_string()), "architectures": [type(network).__name__]}}
