"""Nothing learns: a base or a tuned model that is only used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

weights_file = ""


def attach(network: torch.nn.Module, settings: None, *, seed: int) -> tuple[str, ...]:
    """No names: every weight is frozen."""
    network.requires_grad_(False)
    return ()


def merge(network: torch.nn.Module) -> None:
    """Nothing was attached."""


def off(network: torch.nn.Module) -> AbstractContextManager[None]:
    """The network as it is: it is the base."""
    return nullcontext()


def parameters(shapes: Mapping[str, tuple[int, ...]], settings: None) -> int:
    """None at all."""
    return 0


def disk_name(name: str) -> str:
    """The name in the network is the name on disk."""
    return name


def configuration(network: torch.nn.Module, settings: None, base: str) -> Mapping[str, Mapping[str, Any]]:
    """No files."""
    return {}
