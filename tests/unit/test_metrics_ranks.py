"""Ranks of right answers: as sentence-transformers counts them, in blocks, and never flattered by ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.metrics import _ranks, mrr, recall_at_1, recall_at_10
from tunesmith.records import Pair, Prediction

EXAMPLE = Pair("", "", "rows.jsonl:1", "1")


def random_vectors(count: int, seed: int) -> torch.Tensor:
    made = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(made, dim=-1)


def value(metric, found) -> float:
    rows = [Prediction(0, output={"rank": rank}, expected={"rank": 1}) for rank in found]
    statistics = np.array([metric.measure(row, EXAMPLE, metric.Settings()) for row in rows])
    return float(metric.combine(statistics, np.ones((1, len(rows))))[0])


@pytest.mark.parametrize("seed", range(20))
def test_means_of_ranks_are_those_of_sentence_transformers(seed):
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    prompts, answers = random_vectors(50, seed), random_vectors(50, 100 + seed)
    answers = torch.nn.functional.normalize(answers + prompts * (seed / 10), dim=-1)
    keys = [str(row) for row in range(50)]
    judge = InformationRetrievalEvaluator(
        dict(zip(keys, keys, strict=True)), dict(zip(keys, keys, strict=True)), {key: {key} for key in keys},
        mrr_at_k=[50], accuracy_at_k=[1, 10], precision_recall_at_k=[1, 10])
    nearness = (prompts @ answers.T).tolist()
    theirs = judge.compute_metrics([
        [{"corpus_id": keys[place], "score": near} for place, near in enumerate(row)] for row in nearness])
    found, _ = _ranks.ranks(prompts, answers, [[row] for row in range(50)])
    assert value(mrr, found) == pytest.approx(theirs["mrr@k"][50], abs=1e-12)
    assert value(recall_at_1, found) == pytest.approx(theirs["recall@k"][1], abs=1e-12)
    assert value(recall_at_10, found) == pytest.approx(theirs["recall@k"][10], abs=1e-12)


def test_blocks_of_any_size_find_the_same_ranks(monkeypatch):
    prompts, answers = random_vectors(40, 1), random_vectors(30, 2)
    right = [[row % 30] for row in range(40)]
    whole = _ranks.ranks(prompts, answers, right)
    monkeypatch.setattr(_ranks, "NUMBERS_AT_ONCE", 65)
    assert _ranks.ranks(prompts, answers, right) == whole


def test_a_model_that_says_the_same_of_everything_finds_nothing():
    alike = torch.ones(5, 3)
    assert _ranks.ranks(alike, alike, [[row] for row in range(5)])[0] == [5] * 5
    assert _ranks.ranks(alike, alike * torch.nan, [[row] for row in range(5)])[0] == [5] * 5


def test_other_right_answers_of_a_prompt_are_passed_over_and_equal_answers_count_once():
    answers, different = _ranks.numbered(["red", "blue", "red", "green"])
    assert (answers, different) == ([0, 1, 0, 2], ["red", "blue", "green"])
    right = _ranks.all_right([7, 7, 8, 9], answers)
    assert right == [[0, 1], [1, 0], [0], [2]]
    prompts = torch.eye(3)[[0, 0, 2, 2]]
    vectors = torch.tensor([[0.5, 0.0, 0.1], [0.9, 0.0, 0.2], [0.0, 0.0, 0.9]])
    assert _ranks.ranks(prompts, vectors, right) == ([1, 1, 3, 1], [1, 1, 2, 2])
