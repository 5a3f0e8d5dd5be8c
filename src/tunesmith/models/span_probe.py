"""A linear head for start and end on states that stay as they are: what the untuned network knows already.

Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes". Letters: M rows, H width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from ..contracts import Model
from ..encoding.batches.flat import lengths_of
from ..encoding.batches.packing import pack
from ..losses.span import span_cross_entropy
from ..records import Document
from .asking import states

ROWS: Final = 65_536  # of training windows: 100 MB of states of a width of 384
ITERATIONS: Final = 40
DECAY: Final = 0.01

Ask = Callable[[Sequence[Document]], Sequence[Tensor]]


def span_probe(model: Model, documents: Sequence[Document], columns: tuple[str, str]) -> Ask:
    """What asks the probe: of each document (T, 2) scores. Trained on as many windows, evenly chosen, as `ROWS` allow.

    columns: those of the documents that name the rows of start and end.
    """
    chosen = _chosen(documents)
    batch = pack(chosen)
    found = dict(states(model, chosen))
    states_MH = torch.cat([found[place] for place in range(len(chosen))])
    mean_H, spread_H = states_MH.mean(0), states_MH.std(0) + 1e-6
    states_MH = states_MH.sub_(mean_H).div_(spread_H)
    starts_D, ends_D = (batch.document_columns[name] for name in columns)
    weight_H2 = torch.zeros(states_MH.shape[1], 2, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight_H2], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        terms = span_cross_entropy(states_MH @ weight_H2, starts_D, ends_D, batch)
        loss = terms.terms.sum() / terms.weights.sum() + DECAY * weight_H2.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    learnt_H2 = weight_H2.detach()

    def ask(wanted: Sequence[Document]) -> Sequence[Tensor]:
        told = {place: (states_TH - mean_H) / spread_H @ learnt_H2 for place, states_TH in states(model, wanted)}
        return [told[place] for place in range(len(wanted))]

    return ask


def _chosen(documents: Sequence[Document]) -> list[Document]:
    """Evenly spaced documents, with about as many tokens as may be."""
    tokens = int(lengths_of(documents).sum())
    return list(documents[:: -(-tokens // ROWS)])
