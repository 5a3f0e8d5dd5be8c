"""How documents may be laid before a network: asked of every network, before it is used, by its own answers.

It catches what no list of architectures can: a head that does more than a product, attention that ignores the borders
of documents, layers that carry a state from one token to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import Refusal, is_spent
from ..records import SEGMENT, Batch, Head
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
HEADED = ("sequence", "token", "span")  # heads that read a document's states, and nothing else
FAILS = (RuntimeError, TypeError, ValueError, IndexError, Refusal)


class Probed(Protocol):
    """What the probe needs of a model."""

    network: torch.nn.Module
    head: Head
    layout: Layout

    @property
    def device(self) -> torch.device:
        """Where the network computes."""

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) of the targets on supervised rows, with the documents laid out as `layout` says."""

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) hidden states of the rows wanted."""

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) what the head says of the rows wanted."""


@dataclass(frozen=True)
class Own:
    """What a network says of the probe's documents by itself, turn by turn as they are asked.

    Of a language model log-probabilities, of others states and what their head makes of them: each with the largest
    number among them, or among the logits. narrowed: whether it has windows, which were narrowed while it said so.
    """

    narrowed: bool
    said: dict[int, list[tuple[Tensor, float]]] = field(default_factory=dict)


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
            own.said[turn] = _own(model, batch)
        fault = _fault_of(model, batch, own.said[turn])
        if not fault:
            break
    return fault


def _fault_of(model: Probed, batch: Batch, own: list[tuple[Tensor, float]]) -> str:
    try:
        found = _said(model, batch)
    except FAILS as error:
        if is_spent(error):
            raise
        return "it fails: " + (str(error).splitlines() or [type(error).__name__])[0]
    dtype = _dtype(model)
    for one, (wanted, largest) in zip(found, own, strict=True):
        allowed = ROUNDINGS.get(dtype, MANY_ROUNDINGS) * torch.finfo(dtype).eps * largest
        difference = float((one - wanted).abs().max())
        if not difference <= max(allowed, 1e-5):
            return f"its answers differ by {difference:.2g} from those to each document alone"
    # where roundings are large, what one document changes in another could pass for one
    leaks = model.layout.kind == "packed" and dtype in ROUNDINGS and _leaks(model, batch, found[0])
    return "one document changes what it says of another" if leaks else ""


def _leaks(model: Probed, batch: Batch, found: Tensor) -> bool:
    """Whether another first document changes a single bit of what is said of the second."""
    start = batch.borders[1]
    other = batch.ids.clone()
    other[:start] = batch.ids[-start:]
    again = _said(model, replace(batch, ids=other))[0]
    return not torch.equal(again[start:], found[start:])


def _said(model: Probed, batch: Batch) -> list[Tensor]:
    """What a model says of all rows, with the documents laid as its layout says; the first has a line for each row."""
    if model.head.kind == "causal":
        return [model.log_probabilities(batch)]
    answers = [_wide(model.states(batch))]
    return [*answers, model.outputs(batch)] if model.head.kind in HEADED else answers


def _own(model: Probed, batch: Batch) -> list[tuple[Tensor, float]]:
    """The same by the network's own plain formula, one document at a time; and the largest number of each."""
    alone: list[Sequence[tuple[Tensor, float]]] = []
    with layouts.eager(model.network):
        for start, end in pairwise(batch.borders):
            segments = layouts.segments(model.network, batch)
            told = {} if segments is None else {"token_type_ids": segments[None, start:end]}
            asked = {"input_ids": batch.ids[None, start:end], **told}
            alone.append(_says(model, asked, batch.targets[start:end]))
    return [(torch.cat([said for said, _ in parts]), max(1.0, *(largest for _, largest in parts)))
            for parts in zip(*alone, strict=True)]


def _says(model: Probed, asked: Mapping[str, Tensor], targets: Tensor) -> Sequence[tuple[Tensor, float]]:
    """What the network by itself says of one document, each with its largest number."""
    network: Any = model.network
    if model.head.kind == "causal":
        logits = _wide(network(**asked, use_cache=False).logits[0])
        return [(torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0], float(logits.abs().max()))]
    answers = [_wide(network.base_model(**asked, use_cache=False).last_hidden_state[0])]
    if model.head.kind == "span":
        found = network(**asked)
        answers.append(_wide(torch.stack([found.start_logits[0], found.end_logits[0]], dim=-1)))
    elif model.head.kind in HEADED:
        logits = network(**asked).logits
        answers.append(_wide(logits if model.head.kind == "sequence" else logits[0]))
    return [(answer, float(answer.abs().max())) for answer in answers]


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _dtype(model: Probed) -> torch.dtype:
    return next(iter(model.network.parameters())).dtype


def _probes(model: Probed, turn: int) -> Batch:
    """Two short documents of ids spread over the vocabulary, others at each turn; every row supervised."""
    device, rows = model.device, sum(LENGTHS)
    vocabulary = model.network.get_input_embeddings().num_embeddings  # type: ignore[operator]
    padding = vars(model.network.config).get("pad_token_id")
    ids = (torch.arange(rows, device=device) * 7919 + 11 + 5003 * turn) % vocabulary
    # some networks take the padding's id for none at all, wherever it stands
    ids = torch.where(ids == padding, (ids + 1) % vocabulary, ids) if padding is not None else ids
    numbers = torch.arange(len(LENGTHS), device=device)
    positions = torch.cat([torch.arange(length, device=device) for length in LENGTHS])
    return Batch(
        ids=ids, positions=positions, token_columns={SEGMENT: (positions > 3).long()},
        targets=ids.roll(-1), weights=torch.ones(rows, device=device),
        document_of=numbers.repeat_interleave(torch.tensor(LENGTHS, device=device)),
        borders=(0, LENGTHS[0], rows), supervised=torch.arange(rows, device=device), examples=numbers,
        example_ids=tuple(range(len(LENGTHS))), documents=(),
    )
