"""Losses of heads that tell classes apart: one term and one weight for each example."""

from __future__ import annotations

import torch
from torch import Tensor

from ..records import Batch, Loss


def cross_entropy(outputs_DC: Tensor, classes_D: Tensor, batch: Batch, weights_C: Tensor | None = None) -> Loss:
    """Nats by which each document's class was missed, times the weight of that class (1 where none are given).

    An example that the batch holds twice counts twice.
    """
    log_probabilities_DC = torch.log_softmax(outputs_DC, dim=-1)
    terms_D = -log_probabilities_DC.gather(1, classes_D[:, None])[:, 0]
    weights_D = torch.ones_like(terms_D) if weights_C is None else weights_C.to(terms_D)[classes_D]
    return of_examples(terms_D * weights_D, weights_D.detach(), batch)


def of_examples(terms_D: Tensor, weights_D: Tensor, batch: Batch) -> Loss:
    """The sums of each example's documents."""
    empty_E = terms_D.new_zeros(len(batch.example_ids))
    return Loss(empty_E.index_add(0, batch.examples, terms_D), empty_E.index_add(0, batch.examples, weights_D))
