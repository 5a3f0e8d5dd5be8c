"""How documents may be laid before a network: asked of every network, before it is used, by its own answers.

It catches what no list of architectures can: a head that does more than a product, attention that ignores the borders
of documents, layers that carry a state from one token to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ..errors import Refusal, is_spent
from ..records import Batch
from . import layouts
from .layouts import Layout

LENGTHS = (6, 7)  # so alike that they are padded together
WINDOW = 4
# Roundings of one logit that may add up between two ways of computing the same. In bfloat16 a logit of 30 is known to
# 0.25 and six must do; in float32, 24 are still a hundredth of what the smallest fault makes.
ROUNDINGS = {torch.bfloat16: 6, torch.float16: 6}
MANY_ROUNDINGS = 24
# In few digits some tokens answer chaotically (2.8 and, between a network's own two ways, 6.7 nats apart were seen), so
# a fault is one that shows in other documents as well
TURNS = 3
FAILS = (RuntimeError, TypeError, ValueError, IndexError, Refusal)


class Probed(Protocol):
    """What the probe needs of a model."""

    network: torch.nn.Module
    layout: Layout

    @property
    def device(self) -> torch.device:
        """Where the network computes."""

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) of the targets on supervised rows, with the documents laid out as `layout` says."""


@dataclass(frozen=True)
class Own:
    """What a network says of the probe's documents by itself, and its largest logit, turn by turn as they are asked.

    narrowed: whether it has windows, which were narrowed while it said so.
    """

    narrowed: bool
    said: dict[int, tuple[Tensor, float]] = field(default_factory=dict)


@torch.no_grad()
def settle(model: Probed) -> Own:
    """Give the model the first layout in which it answers as its network does by itself, one document at a time.

    Returns what the network says, for `demand_same`. Raises Refusal where there is no such layout.
    """
    with _evaluating(model), layouts.narrowed(model.network, WINDOW) as narrowed:
        own = Own(narrowed)
        fault, hope = "", layouts.likely(type(model.network))
        for candidate in _candidates(hope):
            model.layout = candidate if candidate is hope else replace(candidate, why=f"{hope.kind}, {fault}")
            layouts.prepare(model.network, model.layout)
            fault = _fault(model, own)
            if not fault:
                return own
    raise Refusal("model.head", f"this base computes its answers in a way that is not supported: with documents one by "
                  f"one, {fault}", "base.name", "use another base")


@torch.no_grad()
def demand_same(model: Probed, own: Own) -> None:
    """Raise Refusal unless a settled model still answers as its network did by itself, its windows as they are."""
    with _evaluating(model):
        fault = _fault(model, Own(narrowed=False) if own.narrowed else own)
    if fault:
        raise Refusal("model.layers", f"this base's layers are not computed as it does itself: {fault}", "base.name",
                      "use another base")


@contextmanager
def _evaluating(model: Probed) -> Iterator[None]:
    training = model.network.training
    model.network.eval()
    yield
    model.network.train(training)


def _candidates(hope: Layout) -> list[Layout]:
    """What to try, in order; only the first is sure of its reason."""
    slower = [Layout("padded", ""), Layout("apart", "")]
    return [hope, *slower[hope.kind == "padded" :]]


def _fault(model: Probed, own: Own) -> str:
    """In which way the model's answers are not the network's own, or nothing."""
    fault = ""
    for turn in range(TURNS if _dtype(model) in ROUNDINGS else 1):
        batch = _probes(model, turn)
        if turn not in own.said:
            own.said[turn] = _own(model.network, batch)
        fault = _fault_of(model, batch, *own.said[turn])
        if not fault:
            break
    return fault


def _fault_of(model: Probed, batch: Batch, wanted: Tensor, largest: float) -> str:
    try:
        found = model.log_probabilities(batch)
    except FAILS as error:
        if is_spent(error):
            raise
        return "it fails: " + (str(error).splitlines() or [type(error).__name__])[0]
    dtype = _dtype(model)
    allowed = ROUNDINGS.get(dtype, MANY_ROUNDINGS) * torch.finfo(dtype).eps * largest
    difference = float((found - wanted).abs().max())
    if not difference <= max(allowed, 1e-5):
        return f"its answers differ by {difference:.2g} from those to each document alone"
    # where roundings are large, what one document changes in another could pass for one
    leaks = model.layout.kind == "packed" and dtype in ROUNDINGS and _leaks(model, batch, found)
    return "one document changes what it says of another" if leaks else ""


def _leaks(model: Probed, batch: Batch, found: Tensor) -> bool:
    """Whether another first document changes a single bit of what is said of the second."""
    start = batch.borders[1]
    other = batch.ids.clone()
    other[:start] = batch.ids[-start:]
    again = model.log_probabilities(replace(batch, ids=other))
    return not torch.equal(again[start:], found[start:])


def _own(network: torch.nn.Module, batch: Batch) -> tuple[Tensor, float]:
    """By the network's own plain formula, one document at a time; and its largest logit."""
    found, largest = [], 1.0
    with layouts.eager(network):
        for start, end in pairwise(batch.borders):
            logits = network(input_ids=batch.ids[None, start:end], use_cache=False).logits[0]
            logits = logits if logits.dtype == torch.float64 else logits.float()
            largest = max(largest, float(logits.abs().max()))
            found.append(torch.log_softmax(logits, -1).gather(1, batch.targets[start:end, None])[:, 0])
    return torch.cat(found), largest


def _dtype(model: Probed) -> torch.dtype:
    return next(iter(model.network.parameters())).dtype


def _probes(model: Probed, turn: int) -> Batch:
    """Two short documents of ids spread over the vocabulary, others at each turn; every row supervised."""
    device, rows = model.device, sum(LENGTHS)
    vocabulary = model.network.get_input_embeddings().num_embeddings  # type: ignore[operator]
    ids = (torch.arange(rows, device=device) * 7919 + 11 + 5003 * turn) % vocabulary
    numbers = torch.arange(len(LENGTHS), device=device)
    return Batch(
        ids=ids, positions=torch.cat([torch.arange(length, device=device) for length in LENGTHS]),
        targets=ids.roll(-1), weights=torch.ones(rows, device=device),
        document_of=numbers.repeat_interleave(torch.tensor(LENGTHS, device=device)),
        borders=(0, LENGTHS[0], rows), supervised=torch.arange(rows, device=device), examples=numbers,
        example_ids=tuple(range(len(LENGTHS))), documents=(),
    )
