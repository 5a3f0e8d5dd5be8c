"""The loop, as a generator of steps. Evaluating, remembering, recording and saving are its consumers' business.

It knows no task: for each batch it cuts pieces, sends the sum of the loss's terms backward, adds up weights over the
whole optimiser step, divides once, clips, steps, and yields. One read of numbers from the device ends a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from ..encoding.order import seed_for
from ..errors import Failure
from ..records import Batch, Loss, Step
from .state import TrainState

Cut = Callable[[Batch], Iterable[Batch]]
Compute = Callable[[Batch], Loss]
Rate = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Sums:
    """What a step's pieces add up to: nats, weight, rows computed."""

    loss: float
    weight: float
    tokens: int


def steps(
    state: TrainState, batches: Iterable[Batch], loss: Compute, *, rate: Rate, cut: Cut, clip: float, seed: int
) -> Iterator[Step]:
    """Train on batches one after another; yields each optimiser step once it is taken.

    rate: learning rate from the shares of the training that are done before and after the step. cut: a batch into
    pieces, between examples. clip: the greatest gradient norm, 0 for none. Raises Failure where a loss is no number,
    before the optimiser steps: the state is then still the last good one.
    """
    for batch in batches:
        begun = time.perf_counter()
        if batch.after is None:
            raise ValueError("a batch to train on must say where the data stands after it")
        learning_rate = rate(state.position.done_share, batch.after.done_share)
        sums = gradients(state, cut(batch), loss, seed=seed)
        norm = apply(state, sums.weight, learning_rate, clip)
        state.number += 1
        state.position = batch.after
        yield Step(
            number=state.number, loss=sums.loss / sums.weight, weight=sums.weight, rate=learning_rate,
            gradient_norm=norm, tokens=sums.tokens, seconds=time.perf_counter() - begun, after=batch.after,
        )


def gradients(state: TrainState, pieces: Iterable[Batch], loss: Compute, *, seed: int) -> Sums:
    """Leave the gradients of the sum of all terms on what learns. Can be run again from its start."""
    state.model.zero()
    total, weight, tokens = 0.0, 0.0, 0
    for number, piece in enumerate(pieces):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(seed, "dropout", state.number, number))
            found = loss(piece)
            found.terms.sum().backward()  # type: ignore[no-untyped-call]
        refuse_non_numbers(found, piece, state.number + 1)
        total += float(found.terms.detach().sum())
        weight += float(found.weights.sum())
        tokens += piece.tokens
    return Sums(total, weight, tokens)


def apply(state: TrainState, weight: float, learning_rate: float, clip: float) -> float:
    """Divide the gradients by the step's weight, clip, step; returns the norm before clipping."""
    state.model.gradients()
    learnt = [parameter for parameter in state.model.learns.values() if parameter.grad is not None]
    torch._foreach_div_([parameter.grad for parameter in learnt if parameter.grad is not None], weight)
    norm = float(torch.nn.utils.clip_grad_norm_(learnt, clip if clip else math.inf))
    if not math.isfinite(norm):
        raise Failure("training.not_a_number", f"the gradient norm of step {state.number + 1} is {norm}",
                      remedy="lower `training.learning_rate`; the newest checkpoint stands and can be resumed")
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate * group["scale"]
    state.optimiser.step()
    state.model.publish()
    return norm


def refuse_non_numbers(found: Loss, piece: Batch, step: int) -> None:
    """Raise Failure with the indices of the examples whose loss is NaN or infinite."""
    finite = torch.isfinite(found.terms.detach())
    if bool(finite.all()):
        return
    wrong = [piece.example_ids[place] for place in torch.nonzero(~finite).flatten().tolist()]
    raise Failure("training.not_a_number", f"the loss of step {step} is not a number, on training examples {wrong[:5]}",
                  remedy="lower `training.learning_rate`, or look at those rows; the newest checkpoint stands")
