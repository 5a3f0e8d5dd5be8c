"""AdamW: Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay
Regularization", algorithm 2; torch's fused implementation.
"""  # noqa: D205

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """The knobs of AdamW beside the learning rate."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the learning rate by which matrices are pulled towards zero at each step, 0 to 1.

    Biases and norms are left alone. Try 0.01 to 0.1 for full tuning on little data; 0 is usual for LoRA.
    """
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """How much of the running mean of gradients is kept at each step, 0 to 1. Hardly ever worth changing."""
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    """How much of the running mean of squared gradients is kept, 0 to 1. Try 0.95 where the loss spikes."""
    epsilon: float = Field(default=1e-8, gt=0.0, le=1e-2)
    """Added to the divisor of an update, above 0. Try 1e-6 where gradients are tiny."""


def build(groups: Sequence[Mapping[str, Any]], learning_rate: float, settings: Settings) -> torch.optim.Optimizer:
    """An optimiser over parameter groups; a group's `scale` multiplies the learning rate."""
    return torch.optim.AdamW(
        [
            {"params": group["params"], "lr": learning_rate * group["scale"], "scale": group["scale"],
             "weight_decay": settings.weight_decay if group["decay"] else 0.0}
            for group in groups if group["params"]
        ],
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )
