"""Whether a network packed flat says what it says by itself: asked of every network before it is used.

It catches what no list of architectures can: a head that does more than a product, attention that ignores the borders
of documents, layers that carry a state from one token to the next.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ..errors import Refusal
from ..records import Batch

LENGTHS = (5, 7)
# Roundings of one logit that may add up between two ways of computing the same
ROUNDINGS = 6


class Probed(Protocol):
    """What the probe needs of a model."""

    network: torch.nn.Module

    @property
    def device(self) -> torch.device:
        """Where the network computes."""

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) of the targets on supervised rows."""


@torch.no_grad()
def demand_same(model: Probed) -> None:
    """Raise Refusal unless two packed documents get the log-probabilities that the network itself gives each."""
    training = model.network.training
    model.network.eval()
    batch = _batch(model.device, model.network.get_input_embeddings().num_embeddings)  # type: ignore[operator]
    found = model.log_probabilities(batch)
    expected, largest = [], 1.0
    for start, end in pairwise(batch.borders):
        logits = model.network(input_ids=batch.ids[None, start:end], use_cache=False).logits[0].to(found.dtype)
        largest = max(largest, float(logits.abs().max()))
        expected.append(torch.log_softmax(logits, -1).gather(1, batch.targets[start:end, None])[:, 0])
    model.network.train(training)
    allowed = ROUNDINGS * torch.finfo(next(iter(model.network.parameters())).dtype).eps * largest
    difference = float((found - torch.cat(expected)).abs().max())
    if not difference <= max(allowed, 1e-5):
        raise Refusal("model.head", f"this base computes its answers in a way that is not supported: packed, they "
                      f"differ by {difference:.2g} from its own", "base.name", "use another base")


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
