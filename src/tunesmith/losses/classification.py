"""Losses of a head that says one thing of a text: its class, its labels, or a number; one term an example.

Letters: D documents, E examples, C classes or labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..records import Batch, Loss


def cross_entropy(outputs_DC: Tensor, classes_D: Tensor, batch: Batch, weights_C: Tensor | None = None) -> Loss:
    """Nats by which each example's class was missed, times the weight of that class (1 where none are given).

    As `torch.nn.CrossEntropyLoss`, which transformers' models have, before it divides by the sum of the weights.
    """
    log_probabilities_DC = torch.log_softmax(outputs_DC, dim=-1)
    terms_D = -log_probabilities_DC.gather(1, classes_D[:, None])[:, 0]
    weights_D = torch.ones_like(terms_D) if weights_C is None else weights_C.to(terms_D)[classes_D]
    return of_examples(terms_D * weights_D, weights_D, batch)


def binary_cross_entropy(outputs_DC: Tensor, right_DC: Tensor, batch: Batch, weights_C: Tensor | None = None) -> Loss:
    """Nats by which each label was missed, the mean over labels; a label that is right weighs as much as is given.

    As `torch.nn.BCEWithLogitsLoss`, which transformers' models have; weights_C is its `pos_weight`.
    """
    terms_DC = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs_DC, right_DC.to(outputs_DC), reduction="none",
        pos_weight=None if weights_C is None else weights_C.to(outputs_DC))
    terms_D = terms_DC.mean(dim=1)
    return of_examples(terms_D, torch.ones_like(terms_D), batch)


def squared_error(outputs_D1: Tensor, values_D: Tensor, batch: Batch) -> Loss:
    """The squared distance between what was said and each example's number."""
    terms_D = (outputs_D1[:, 0] - values_D.to(outputs_D1)) ** 2
    return of_examples(terms_D, torch.ones_like(terms_D), batch)


def of_examples(terms_D: Tensor, weights_D: Tensor, batch: Batch) -> Loss:
    """The sums of each example's documents: one that a batch holds twice counts twice."""
    empty_E = terms_D.new_zeros(len(batch.example_ids))
    return Loss(terms=empty_E.index_add(0, batch.examples, terms_D),
                weights=empty_E.index_add(0, batch.examples, weights_D.detach()))
