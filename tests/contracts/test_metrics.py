"""What every file in metrics/ promises."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from pydantic import BaseModel

from tunesmith import catalog
from tunesmith.records import Pair, Prediction

EXAMPLE = Pair("", "", "rows.jsonl:1", "1")
REFERENCES = ("the cat sat on the mat", "a dog", "it rains in May", "seven", "no more than three words here")


@pytest.fixture(params=catalog.names("metric"))
def metric(request: pytest.FixtureRequest) -> ModuleType:
    return catalog.load("metric", request.param)


def prediction(text: str, reference: str, term: float, weight: float) -> Prediction:
    return Prediction(0, term, weight, "prompt", text, reference, "end", 3)


def measured(metric: ModuleType, predictions: list[Prediction]) -> np.ndarray:
    settings = metric.Settings()
    return np.array([metric.measure(one, EXAMPLE, settings) for one in predictions], np.float64)


def middling() -> list[Prediction]:
    texts = ("the cat sat", "dog a", "it rains in May", "", "three words here")
    terms = (3.0, 2.5, 0.1, 9.0, 4.0)
    return [prediction(text, reference, term, weight)
            for weight, (text, reference, term) in enumerate(zip(texts, REFERENCES, terms, strict=True), 1)]


def perfect() -> list[Prediction]:
    return [prediction(text, text, 0.0, weight) for weight, text in enumerate(REFERENCES, 1)]


def test_the_module_has_the_shape_that_contracts_promise(metric: ModuleType) -> None:
    assert isinstance(metric.higher_is_better, bool)
    assert metric.needs in ("loss", "text")
    assert metric.unit
    assert issubclass(metric.Settings, BaseModel)
    assert metric.__doc__
    assert metric.Settings.__doc__


def test_perfect_answers_are_better_than_middling_ones(metric: ModuleType) -> None:
    once = np.ones((1, len(REFERENCES)))
    best, other = (metric.combine(measured(metric, rows), once)[0] for rows in (perfect(), middling()))
    assert best > other if metric.higher_is_better else best < other


def test_no_answer_is_better_than_a_perfect_one(metric: ModuleType) -> None:
    eye = np.eye(len(REFERENCES))
    best = metric.combine(measured(metric, perfect()), eye)
    others = metric.combine(measured(metric, middling()), eye)
    assert np.all(best >= others if metric.higher_is_better else best <= others)


def test_the_order_of_rows_is_irrelevant(metric: ModuleType) -> None:
    rows = middling()
    once = np.ones((1, len(rows)))
    np.testing.assert_allclose(metric.combine(measured(metric, rows), once),
                               metric.combine(measured(metric, rows[::-1]), once), rtol=1e-12)


def test_combining_with_the_identity_gives_every_row_its_own_value(metric: ModuleType) -> None:
    statistics = measured(metric, middling())
    own = [metric.combine(statistics[row : row + 1], np.ones((1, 1)))[0] for row in range(len(statistics))]
    np.testing.assert_allclose(metric.combine(statistics, np.eye(len(statistics))), own, rtol=1e-12)


def test_a_row_counted_twice_is_a_row_that_stands_there_twice(metric: ModuleType) -> None:
    statistics = measured(metric, middling())
    counts = np.array([[2.0, 1, 0, 3, 1]])
    repeated = statistics[[0, 0, 1, 3, 3, 3, 4]]
    once = metric.combine(repeated, np.ones((1, 7)))
    np.testing.assert_allclose(metric.combine(statistics, counts), once, rtol=1e-12)


def test_many_draws_at_once_give_what_one_at_a_time_gives(metric: ModuleType) -> None:
    statistics = measured(metric, middling())
    counts = np.random.default_rng(0).integers(1, 4, (20, len(statistics))).astype(np.float64)
    values = metric.combine(statistics, counts)
    assert values.shape == (20,)
    np.testing.assert_allclose(values, [metric.combine(statistics, draw[None])[0] for draw in counts], rtol=1e-12)
