"""Negative log-likelihood of tokens, summed for each example.

The maximum-likelihood loss of a language model: L = -sum_t w_t log p(x_t | x_<t). It stays a sum until the optimiser
divides it, once, by the weight of the whole step; a mean of means would give short rows more say than their tokens.
"""

from __future__ import annotations

from torch import Tensor

from ..records import Batch, Loss


def negative_log_likelihood(log_probabilities_S: Tensor, batch: Batch) -> Loss:
    """One term an example, in nats; its weight is the sum of its tokens' weights.

    log_probabilities_S: (S,) of the targets on the batch's supervised rows, with the graph.
    """
    weights_S = batch.weights[batch.supervised]
    example_S = batch.examples[batch.document_of[batch.supervised]]
    empty_E = log_probabilities_S.new_zeros(len(batch.example_ids))
    terms_E = empty_E.index_add(0, example_S, -log_probabilities_S * weights_S.to(log_probabilities_S.dtype))
    return Loss(terms=terms_E, weights=weights_S.new_zeros(len(batch.example_ids)).index_add(0, example_S, weights_S))
