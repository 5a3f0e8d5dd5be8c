"""AdamW: Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay
Regularization", algorithm 2; torch's fused implementation.
"""  # noqa: D205

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from ...kernels import adamw as kernel
from ...kernels.late_rows import LateRows


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
    """An optimiser over parameter groups; a group's `scale` multiplies the learning rate.

    Of what the loop sets or does around a step it takes on three things, said by the names that its groups have:
    `gradient_scale` multiplies the gradients first, `copies` take the new numbers, and with `late_rows` a gradient may
    be sparse, of single rows: the others step when `catch_up` is told that they are read, or `settle` that all are.
    """
    return AdamW(
        [
            {"params": group["params"], "copies": group["copies"], "lr": learning_rate * group["scale"],
             "scale": group["scale"], "gradient_scale": 1.0, "late_rows": True,
             "weight_decay": settings.weight_decay if group["decay"] else 0.0}
            for group in groups if group["params"]
        ],
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
    )


class AdamW(torch.optim.AdamW):
    """Torch's own, but for the step itself: one pass over memory where our kernels serve, and single rows."""

    def __init__(self, groups: Sequence[dict[str, Any]], *, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, betas=betas, eps=eps, fused=True)
        self._late: dict[torch.Tensor, LateRows] = {}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step every parameter that has a gradient, and write its copy. Takes no closure."""
        assert closure is None
        for group in self.param_groups:
            self._step_rows(group)
        work = [(group, self._tensors(group)) for group in self.param_groups]
        if all(kernel.serves(tensors) for _, tensors in work):
            for group, tensors in work:
                kernel.step(tensors, _rule(group))
            return
        for group, tensors in work:
            if group["gradient_scale"] != 1.0:
                torch._foreach_mul_(list(tensors.gradients), float(group["gradient_scale"]))
        with self._without_sparse():
            super().step()
        for _, tensors in work:
            for parameter, copy in zip(tensors.parameters, tensors.copies, strict=bool(tensors.copies)):
                copy.copy_(parameter)

    def catch_up(self, parameter: torch.Tensor, ids: torch.Tensor) -> None:
        """Let rows that are about to be read take the steps that they have not taken."""
        if parameter in self._late:
            self._late[parameter].catch_up(ids)

    def settle(self) -> None:
        """Let all rows of all matrices take the steps that they have not taken."""
        for late in self._late.values():
            late.catch_up()

    def _step_rows(self, group: Mapping[str, Any]) -> None:
        """Step what has a sparse gradient; what has a whole one again is in time from here on."""
        for place, parameter in enumerate(group["params"]):
            gradient, state = parameter.grad, self.state[parameter]
            late = self._late.get(parameter)
            whole = gradient is not None and not gradient.is_sparse
            if late is not None and (whole or late.mean is not state.get("exp_avg")):
                late.catch_up()
                del self._late[parameter]
            if gradient is None or not gradient.is_sparse:
                continue
            if parameter not in self._late:
                state = self._state(parameter)
                copy = group["copies"][place] if group["copies"] else None
                self._late[parameter] = LateRows(parameter, state["exp_avg"], state["exp_avg_sq"], state["step"], copy)
            self._late[parameter].take(gradient.indices()[0], gradient.values(), _rule(group))

    @contextmanager
    def _without_sparse(self) -> Iterator[None]:
        """What has been stepped row by row shows no gradient while the context lasts."""
        held = {parameter: parameter.grad for group in self.param_groups for parameter in group["params"]
                if parameter.grad is not None and parameter.grad.is_sparse}
        for parameter in held:
            parameter.grad = None
        try:
            yield
        finally:
            for parameter, gradient in held.items():
                parameter.grad = gradient

    def _tensors(self, group: Mapping[str, Any]) -> kernel.Tensors:
        """What a step reads and writes, of the parameters that have a gradient."""
        reached = [place for place, parameter in enumerate(group["params"])
                   if parameter.grad is not None and not parameter.grad.is_sparse]
        parameters = [group["params"][place] for place in reached]
        states = [self._state(parameter) for parameter in parameters]
        return kernel.Tensors(
            parameters, [parameter.grad for parameter in parameters], [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states], [state["step"] for state in states],
            [group["copies"][place] for place in reached] if group["copies"] else [],
        )

    def _state(self, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        """As torch's own begins it."""
        state: dict[str, torch.Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state


def _rule(group: Mapping[str, Any]) -> kernel.Rule:
    beta1, beta2 = group["betas"]
    return kernel.Rule(group["gradient_scale"], group["lr"], beta1, beta2, group["eps"], group["weight_decay"])
