"""Cross entropy of where an answer begins and where it ends, over all rows of each window.

Devlin et al. 2019, "BERT", section 4.2: the probability of a row to be the start is a softmax over all rows of the
window, the question's and the marks included, and the same of the end; the loss of a window is the mean of the two, as
transformers' models have it (`BertForQuestionAnswering`). Letters: M rows, D windows, E examples.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ..records import Batch, Loss


def span_cross_entropy(outputs_M2: Tensor, starts_D: Tensor, ends_D: Tensor, batch: Batch) -> Loss:
    """One term an example, in nats: the sum over its windows; its weight is the number of them.

    outputs_M2: (M, 2) what the network says of start and end, with the graph; starts_D, ends_D: the rows, counted from
    each window's first, that are right.
    """
    lengths = [end - start for start, end in pairwise(batch.borders)]
    laid_DT2 = torch.nn.utils.rnn.pad_sequence(
        list(torch.split(outputs_M2, lengths)), batch_first=True, padding_value=float("-inf"))
    scores_DT2 = torch.log_softmax(laid_DT2, dim=1)
    windows = torch.arange(len(lengths), device=outputs_M2.device)
    losses_D = -(scores_DT2[windows, starts_D, 0] + scores_DT2[windows, ends_D, 1]) / 2
    empty_E = losses_D.new_zeros(len(batch.example_ids))
    return Loss(terms=empty_E.index_add(0, batch.examples, losses_D),
                weights=empty_E.float().index_add(0, batch.examples, torch.ones_like(losses_D, dtype=torch.float32)))
