"""Losses of heads that tell classes apart: one term and one weight for each example."""

from __future__ import annotations

import torch
from torch import Tensor

from ..records import Loss


def cross_entropy(outputs_EC: Tensor, classes_E: Tensor, weights_C: Tensor | None = None) -> Loss:
    """Nats by which each example's class was missed, times the weight of that class (1 where none are given)."""
    log_probabilities_EC = torch.log_softmax(outputs_EC, dim=-1)
    terms_E = -log_probabilities_EC.gather(1, classes_E[:, None])[:, 0]
    weights_E = torch.ones_like(terms_E) if weights_C is None else weights_C.to(terms_E)[classes_E]
    return Loss(terms_E * weights_E, weights_E.detach())
