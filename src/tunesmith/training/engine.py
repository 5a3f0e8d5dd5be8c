"""The loop, as a generator of steps. Evaluating, remembering, recording and saving are its consumers' business.

It knows no task: for each batch it cuts pieces, sends the sum of the loss's terms backward, adds up weights over the
whole optimiser step, divides once, clips, steps, and yields. One read of numbers from the device ends a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..encoding.order import seed_for
from ..errors import Failure
from ..kernels import adamw
from ..records import Batch, Loss, Step
from .state import TrainState

LEAST_NORM = 1e-6  # as torch's clip_grad_norm_ adds, against a division by nothing
Cut = Callable[[Batch], Iterable[Batch]]
Compute = Callable[[Batch], Loss]
Rate = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Sums:
    """What a step's pieces add up to: nats and weight, still on the device, and the rows computed.

    parts: for each piece its example ids, their terms and their weights, kept to name the rows should a number go
    wrong, and to tell sources apart.
    """

    loss: Tensor
    weight: Tensor
    tokens: int
    parts: Sequence[tuple[tuple[int, ...], Tensor, Tensor]]


def steps(
    state: TrainState, batches: Iterable[Batch], loss: Compute, *, rate: Rate, cut: Cut, clip: float, seed: int,
    tell: Callable[[Sums], Mapping[str, float]] | None = None,
) -> Iterator[Step]:
    """Train on batches one after another; yields each optimiser step once it is taken.

    rate: learning rate from the shares of the training that are done before and after the step. cut: a batch into
    pieces, between examples. clip: the greatest gradient norm, 0 for none. tell: what else a step's record says; it
    may read from the device. Raises Failure where a number is not
    finite, before the optimiser steps: the state is then still the last good one.
    """
    for batch in batches:
        begun = time.perf_counter()
        if batch.after is None:
            raise ValueError("a batch to train on must say where the data stands after it")
        learning_rate = rate(state.position.done_share, batch.after.done_share)
        sums = gradients(state, cut(batch), loss, seed=seed)
        total, weight, norm = measured(state, sums)
        refuse_non_numbers(state.number + 1, total, norm, sums)
        advance(state, learning_rate, (min(1.0, clip / (norm + LEAST_NORM)) if clip else 1.0) / weight)
        state.position = batch.after
        yield Step(
            number=state.number, loss=total / weight, weight=weight, rate=learning_rate, gradient_norm=norm,
            tokens=sums.tokens, seconds=time.perf_counter() - begun, after=batch.after,
            also=tell(sums) if tell else {},
        )


def gradients(state: TrainState, pieces: Iterable[Batch], loss: Compute, *, seed: int) -> Sums:
    """Leave the gradients of the sum of all terms on what learns. Can be run again from its start."""
    state.model.zero()
    parts: list[tuple[tuple[int, ...], Tensor, Tensor]] = []
    weights: list[Tensor] = []
    tokens = 0
    for number, piece in enumerate(pieces):
        with torch.random.fork_rng(devices=[]), state.model.learning():
            torch.manual_seed(seed_for(seed, "dropout", state.number, number))
            found = loss(piece)
            found.terms.sum().backward()  # type: ignore[no-untyped-call]
        parts.append((piece.example_ids, found.terms.detach(), found.weights.detach()))
        weights.append(found.weights.sum())
        tokens += piece.tokens
    total = torch.stack([terms.sum() for _, terms, _ in parts]).sum()
    return Sums(total, torch.stack(weights).sum(), tokens, parts)


def measured(state: TrainState, sums: Sums) -> tuple[float, float, float]:
    """The step's nats and weight, and the norm of its gradients once they are divided by that weight."""
    state.model.gradients()
    length = adamw.length(_gradients(state.model.learns.values())).to(sums.loss.device)
    total, weight, norm = torch.stack([sums.loss.double(), sums.weight.double(), length.double()]).tolist()
    return total, weight, norm / weight if weight else math.nan


def advance(state: TrainState, learning_rate: float, gradient_scale: float) -> None:
    """Take the optimiser's step on the gradients times `gradient_scale`, and let the network compute with what it gave.

    An optimiser whose groups have a `gradient_scale` multiplies by it, and one whose groups have `copies` writes those.
    """
    groups = state.optimiser.param_groups
    for group in groups:
        group["lr"] = learning_rate * group["scale"]
        if "gradient_scale" in group:
            group["gradient_scale"] = gradient_scale
        else:
            torch._foreach_mul_(_gradients(group["params"]), gradient_scale)
    state.optimiser.step()
    if not all("copies" in group for group in groups):
        state.model.publish()
    state.number += 1


def _gradients(parameters: Iterable[torch.nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def refuse_non_numbers(step: int, total: float, norm: float, sums: Sums) -> None:
    """Raise Failure, with the indices of the examples to blame, where the loss or the gradient is no number."""
    if math.isfinite(total) and math.isfinite(norm):
        return
    wrong = [
        ids[place]
        for ids, terms, _ in sums.parts
        for place in torch.nonzero(~torch.isfinite(terms)).flatten().tolist()
    ]
    blame = f", on training examples {wrong[:5]}" if wrong else ""
    raise Failure(
        "training.not_a_number", f"step {step} gave a loss of {total} and a gradient norm of {norm}{blame}",
        remedy="lower `training.learning_rate`, or look at those rows; the newest checkpoint stands",
    )
