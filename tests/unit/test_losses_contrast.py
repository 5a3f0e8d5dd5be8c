"""Contrastive losses: against sentence-transformers, and what is no negative of what."""

from __future__ import annotations

import pytest
import torch

from tunesmith.losses import contrast


def vectors(pairs: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.randn(2, pairs, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    first, second = torch.nn.functional.normalize(made, dim=-1).unbind()
    return first, second


def different(pairs: int) -> torch.Tensor:
    return torch.arange(2 * pairs).view(pairs, 2)


class Fixed(torch.nn.Module):
    """What sentence-transformers' losses want of a model that is not asked."""

    similarity_fn_name = "cosine"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("symmetric", [False, True])
def test_in_batch_negatives_are_those_of_sentence_transformers(seed, symmetric):
    from sentence_transformers.sentence_transformer import losses

    first, second = vectors(2 + seed, seed)
    directions = ("query_to_doc", "doc_to_query") if symmetric else ("query_to_doc",)
    theirs = losses.MultipleNegativesRankingLoss(
        Fixed(), scale=20.0, directions=directions, partition_mode="per_direction" if symmetric else "joint",
    ).compute_loss_from_embeddings([first, second], None)
    ours = contrast.in_batch(first, second, different(2 + seed), temperature=0.05, symmetric=symmetric)
    torch.testing.assert_close(ours.mean(), theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_scores_is_sentence_transformers_cosent(seed):
    from sentence_transformers.sentence_transformer import losses

    first, second = vectors(3 + seed, seed)
    scores = torch.randint(0, 4, (3 + seed,), generator=torch.Generator().manual_seed(seed)).double()
    theirs = losses.CoSENTLoss(Fixed(), scale=20.0).compute_loss_from_embeddings([first, second], scores)
    ours = contrast.order(first, second, scores, temperature=0.05)
    torch.testing.assert_close(ours, theirs.expand(3 + seed), rtol=1e-10, atol=1e-10)


def test_a_cosine_is_held_against_its_score():
    first, second = vectors(4, 0)
    scores = torch.tensor([0.0, 0.5, 1.0, 0.25], dtype=torch.float64)
    expected = (torch.nn.functional.cosine_similarity(first, second) - scores) ** 2
    torch.testing.assert_close(contrast.squared_error(first, second, scores), expected)


@pytest.mark.parametrize("texts", [
    [[0, 1], [2, 1], [3, 4]],  # the same answer twice
    [[0, 1], [0, 2], [3, 4]],  # the same prompt twice
    [[0, 1], [5, 0], [3, 4]],  # a prompt that is another's answer
    [[0, 1], [0, 1], [3, 4]],  # the same pair twice
])
@pytest.mark.parametrize("symmetric", [False, True])
def test_equal_texts_are_no_negatives_of_each_other(texts, symmetric):
    first, second = vectors(3, 1)
    found = contrast.in_batch(first, second, torch.tensor(texts), temperature=0.05, symmetric=symmetric)
    for row, (own, other) in enumerate(texts):
        def far(side: int, *, row: int = row, both: tuple[int, int] = (own, other)) -> list[int]:
            """The rows whose text of a side is a negative: in no pair that shares a text with this one."""
            return [place for place, pair in enumerate(texts) if place != row
                    and pair[0] != both[0] and pair[1] != both[1] and pair[side] != both[1 - side]]
        expected = torch.logsumexp(torch.stack([first[row] @ second[place] / 0.05 for place in (row, *far(1))]), 0)
        if symmetric:
            back = torch.logsumexp(torch.stack([first[place] @ second[row] / 0.05 for place in (row, *far(0))]), 0)
            expected = (expected + back) / 2
        torch.testing.assert_close(found[row], expected - first[row] @ second[row] / 0.05)


def test_a_batch_in_which_all_scores_are_equal_teaches_no_order():
    first, second = vectors(3, 2)
    first.requires_grad_()
    found = contrast.order(first, second, torch.ones(3), temperature=0.05)
    found.sum().backward()
    assert found.tolist() == [0, 0, 0]
    assert not first.grad.any()
