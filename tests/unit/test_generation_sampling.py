"""Sampling against transformers' own processors."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tunesmith.errors import Misuse, Problems
from tunesmith.generation.sampling import Sampling, choose, penalise, probabilities

CASES = list(itertools.product((0.3, 1.0, 1.7), (0, 1, 7, 5000), (0.05, 0.6, 1.0), (1.0, 1.3, 0.8)))


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "penalty"), CASES)
def test_probabilities_equal_those_of_transformers(
    temperature: float, top_k: int, top_p: float, penalty: float
) -> None:
    rng = torch.Generator().manual_seed(int(temperature * 10) + top_k)
    logits = 4 * torch.randn(5, 300, generator=rng)
    ids = torch.randint(0, 300, (5, 40), generator=rng)
    theirs = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty), TemperatureLogitsWarper(temperature)])
    if top_k:
        theirs.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        theirs.append(TopPLogitsWarper(top_p))
    seen = torch.zeros(5, 300, dtype=torch.bool).scatter(1, ids, True)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
    ours = probabilities(penalise(logits, seen, penalty), sampling)
    torch.testing.assert_close(ours, theirs(ids, logits.clone()).softmax(dim=-1))


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf]])
    generators = [torch.Generator().manual_seed(0)]
    sampling = Sampling(temperature=1.0)
    drawn = torch.stack([choose(logits, sampling, generators)[0] for _ in range(4000)])
    shares = drawn.bincount(minlength=4) / 4000
    torch.testing.assert_close(shares, logits.softmax(dim=-1)[0], atol=0.03, rtol=0)
    assert shares[3] == 0


def test_the_first_and_the_last_token_of_the_vocabulary_can_be_drawn_and_impossible_ones_cannot() -> None:
    sampling = Sampling(temperature=1.0)
    for only in (0, 6):
        logits = torch.full((1, 7), -torch.inf)
        logits[0, only] = 0
        assert {int(choose(logits, sampling, [torch.Generator().manual_seed(seed)])) for seed in range(50)} == {only}


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose(torch.tensor([[1.0, 3.0, 2.0]]), Sampling(), [torch.Generator()]).tolist() == [1]


@pytest.mark.parametrize("extreme", [5e-324, 1e-40, 1e-12, 1e12, 1e308])
def test_no_temperature_or_penalty_leaves_what_can_be_computed(extreme: float) -> None:
    """A client's 5e-324 made every probability NaN, and the answers beside it failed with its own."""
    logits = torch.tensor([[80.0, -90.0, 79.9, 0.0], [-1e4, -2e4, -3e4, -1e4]])
    penalised = penalise(logits, torch.tensor([[True, True, False, False], [True, True, True, True]]), extreme)
    for sampling in (Sampling(temperature=extreme), Sampling(temperature=extreme, top_p=0.1, top_k=2)):
        found = probabilities(penalised, sampling)
        assert found.isfinite().all() and found.sum(dim=-1) == pytest.approx([1, 1])
        assert all(0 <= token < 4 for token in choose(penalised, sampling, [torch.Generator(), torch.Generator()]))


def test_settings_out_of_range_are_refused_all_at_once() -> None:
    with pytest.raises(Problems) as told:
        Sampling(temperature=-1, top_p=0, max_new_tokens=0)
    assert [problem.where for problem in told.value.problems] == ["max_new_tokens", "temperature", "top_p"]
    with pytest.raises(Misuse, match="`top_k` is -1"):
        Sampling(top_k=-1)
