"""How documents may be laid before a network: asked of every network, before it is used, by its own answers.

It catches what no list of architectures can: a head that does more than a product, attention that ignores the borders
of documents, layers that carry a state from one token to the next.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ..errors import Refusal
from ..records import Batch
from . import layouts
from .layouts import Layout

LENGTHS = (6, 7)  # so alike that they are padded together
WINDOW = 4
ANY_WINDOW = 1 << 62
# Roundings of one logit that may add up between two ways of computing the same. In bfloat16 a logit of 30 is known to
# 0.25 and six must do; in float32, 24 are still a hundredth of what the smallest fault makes.
ROUNDINGS = {torch.bfloat16: 6, torch.float16: 6}
MANY_ROUNDINGS = 24
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


@torch.no_grad()
def settle(model: Probed) -> None:
    """Give the model the first layout in which it answers as its network does by itself, one document at a time.

    Raises Refusal where there is none.
    """
    training = model.network.training
    model.network.eval()
    fault, hope = "", layouts.likely(type(model.network))
    for candidate in _candidates(hope):
        model.layout = candidate if candidate is hope else replace(candidate, why=f"{hope.kind}, {fault}")
        layouts.prepare(model.network, model.layout)
        fault = _fault(model)
        if not fault:
            model.network.train(training)
            return
    raise Refusal("model.head", f"this base computes its answers in a way that is not supported: with documents one by "
                  f"one, {fault}", "base.name", "use another base")


def _candidates(hope: Layout) -> list[Layout]:
    """What to try, in order; only the first is sure of its reason."""
    slower = [Layout("padded", ""), Layout("apart", "")]
    return [hope, *slower[hope.kind == "padded" :]]


@torch.no_grad()
def demand_same(model: Probed) -> None:
    """Raise Refusal unless a settled model still answers as its network does by itself, its windows as they are."""
    training = model.network.training
    model.network.eval()
    fault = _fault(model, narrowest=ANY_WINDOW)
    model.network.train(training)
    if fault:
        raise Refusal("model.layers", f"this base's layers are not computed as it does itself: {fault}", "base.name",
                      "use another base")


def _fault(model: Probed, narrowest: int = WINDOW) -> str:
    """In which way the model's answers are not the network's own, or nothing."""
    batch = _batch(model.device, model.network.get_input_embeddings().num_embeddings)  # type: ignore[operator]
    with layouts.narrowed(model.network, narrowest):
        expected, largest = _own(model.network, batch)
        try:
            found = model.log_probabilities(batch)
            leaks = model.layout.kind == "packed" and _leaks(model, batch, found)
        except FAILS as error:
            return "it fails: " + (str(error).splitlines() or [type(error).__name__])[0]
    dtype = next(iter(model.network.parameters())).dtype
    allowed = ROUNDINGS.get(dtype, MANY_ROUNDINGS) * torch.finfo(dtype).eps * largest
    difference = float((found - expected).abs().max())
    if not difference <= max(allowed, 1e-5):
        return f"its answers differ by {difference:.2g} from those to each document alone"
    return "one document changes what it says of another" if leaks else ""


def _own(network: torch.nn.Module, batch: Batch) -> tuple[Tensor, float]:
    """Log-probabilities by the network's own plain formula, one document at a time, and the largest logit."""
    found, largest = [], 1.0
    with layouts.eager(network):
        for start, end in pairwise(batch.borders):
            logits = network(input_ids=batch.ids[None, start:end], use_cache=False).logits[0]
            logits = logits if logits.dtype == torch.float64 else logits.float()
            largest = max(largest, float(logits.abs().max()))
            found.append(torch.log_softmax(logits, -1).gather(1, batch.targets[start:end, None])[:, 0])
    return torch.cat(found), largest


def _leaks(model: Probed, batch: Batch, found: Tensor) -> bool:
    """Whether another first document changes a single bit of what is said of the second."""
    start = batch.borders[1]
    other = batch.ids.clone()
    other[:start] = batch.ids[-start:]
    again = model.log_probabilities(replace(batch, ids=other))
    return not torch.equal(again[start:], found[start:])


def _batch(device: torch.device, vocabulary: int) -> Batch:
    """Two short documents of ids spread over the vocabulary, every row supervised."""
    rows = sum(LENGTHS)
    ids = (torch.arange(rows, device=device) * 7919 + 11) % vocabulary
    numbers = torch.arange(len(LENGTHS), device=device)
    return Batch(
        ids=ids, positions=torch.cat([torch.arange(length, device=device) for length in LENGTHS]),
        targets=ids.roll(-1), weights=torch.ones(rows, device=device),
        document_of=numbers.repeat_interleave(torch.tensor(LENGTHS, device=device)),
        borders=(0, LENGTHS[0], rows), supervised=torch.arange(rows, device=device), examples=numbers,
        example_ids=tuple(range(len(LENGTHS))), documents=(),
    )
