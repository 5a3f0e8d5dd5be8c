"""Losses of vectors that should be near to each other or far apart: one term a pair.

Letters: K pairs of a batch, H width of a vector. All vectors have length 1, so that a product is a cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor


def in_batch(
    first_KH: Tensor, second_KH: Tensor, texts_K2: Tensor, *, temperature: float, symmetric: bool = False
) -> Tensor:
    """(K,) nats by which each first text misses its own second text among all second texts of the batch.

    texts_K2: numbers that are equal where texts are: a text is no negative of one that it equals, nor of one that
    stands in a pair with such a text. symmetric: the mean of that and of each second text among all first ones.
    Source: van den Oord 2018, "Representation Learning with Contrastive Predictive Coding", equation 4; with the other
    pairs of a batch as negatives Henderson 2017, "Efficient Natural Language Response Suggestion", section 4.
    """
    first_K, second_K = texts_K2.unbind(1)
    same = ((first_K[:, None] == first_K) | (second_K[:, None] == second_K) | (first_K[:, None] == second_K))
    same.fill_diagonal_(False)
    nearness_KK = (first_KH @ second_KH.T / temperature).masked_fill(same, -torch.inf)
    own_K = nearness_KK.diagonal()
    terms_K = nearness_KK.logsumexp(dim=1) - own_K
    if symmetric:
        terms_K = (terms_K + nearness_KK.logsumexp(dim=0) - own_K) / 2
    return terms_K


def squared_error(first_KH: Tensor, second_KH: Tensor, scores_K: Tensor) -> Tensor:
    """(K,) squared differences of each pair's cosine and its score.

    Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3, the regression objective.
    """
    return ((first_KH * second_KH).sum(-1) - scores_K).square()


def order(first_KH: Tensor, second_KH: Tensor, scores_K: Tensor, *, temperature: float) -> Tensor:
    """(K,) the same number for each pair: how far the cosines of the batch are from the order of its scores.

    log(1 + sum of exp((cos j - cos i) / temperature)) over all pairs i, j of which i has the higher score.
    Source: Huang 2024, "CoSENT: Consistent Sentence Embedding via Similarity Ranking", equation 6.
    """
    cosines_K = (first_KH * second_KH).sum(-1) / temperature
    higher, lower = torch.nonzero(scores_K[:, None] > scores_K, as_tuple=True)
    wrong = torch.cat([cosines_K.new_zeros(1), cosines_K[lower] - cosines_K[higher]])
    return wrong.logsumexp(dim=0).expand(len(cosines_K))
