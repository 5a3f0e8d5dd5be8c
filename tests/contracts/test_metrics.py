"""What every file in metrics/ promises."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from pydantic import BaseModel

from samples import Rows, sets_of
from tunesmith import catalog

ROWS = 5
OF_EACH = [(name, made) for name in catalog.names("metric") for made in sets_of(name)]


@pytest.fixture(params=OF_EACH, ids=lambda each: f"{each[0]}, {each[1].__name__}")
def asked(request: pytest.FixtureRequest) -> tuple[ModuleType, Callable[[bool], Rows]]:
    return catalog.load("metric", request.param[0]), request.param[1]


@pytest.fixture
def metric(asked) -> ModuleType:
    return asked[0]


@pytest.fixture
def rows_of(asked) -> Callable[[bool], Rows]:
    """The rows that the metric is asked about, perfect or middling."""
    return asked[1]


def measured(metric: ModuleType, rows: Rows) -> np.ndarray:
    settings = metric.Settings()
    return np.array([metric.measure(prediction, example, settings) for prediction, example in rows], np.float64)


def test_the_module_has_the_shape_that_contracts_promise(metric: ModuleType) -> None:
    assert isinstance(metric.higher_is_better, bool)
    assert metric.needs in ("loss", "text", "output")
    assert metric.unit
    assert issubclass(metric.Settings, BaseModel)
    assert metric.__doc__
    assert metric.Settings.__doc__


def test_what_is_measured_of_a_row_are_finite_numbers_and_as_many_of_every_row(metric: ModuleType, rows_of) -> None:
    statistics = measured(metric, rows_of(False))
    assert statistics.ndim == 2
    assert np.isfinite(statistics).all()


def test_perfect_answers_are_better_than_middling_ones(metric: ModuleType, rows_of) -> None:
    once = np.ones((1, ROWS))
    best, other = (metric.combine(measured(metric, rows_of(good)), once)[0] for good in (True, False))
    assert best > other if metric.higher_is_better else best < other


def test_no_answer_is_better_than_a_perfect_one(metric: ModuleType, rows_of) -> None:
    eye = np.eye(ROWS)
    best = metric.combine(measured(metric, rows_of(True)), eye)
    others = metric.combine(measured(metric, rows_of(False)), eye)
    assert np.all(best >= others if metric.higher_is_better else best <= others)


def test_the_order_of_rows_is_irrelevant(metric: ModuleType, rows_of) -> None:
    rows = rows_of(False)
    once = np.ones((1, len(rows)))
    np.testing.assert_allclose(metric.combine(measured(metric, rows), once),
                               metric.combine(measured(metric, rows[::-1]), once), rtol=1e-12)


def test_combining_with_the_identity_gives_every_row_its_own_value(metric: ModuleType, rows_of) -> None:
    statistics = measured(metric, rows_of(False))
    own = [metric.combine(statistics[row : row + 1], np.ones((1, 1)))[0] for row in range(len(statistics))]
    np.testing.assert_allclose(metric.combine(statistics, np.eye(len(statistics))), own, rtol=1e-12)


def test_a_row_counted_twice_is_a_row_that_stands_there_twice(metric: ModuleType, rows_of) -> None:
    statistics = measured(metric, rows_of(False))
    counts = np.array([[2.0, 1, 0, 3, 1]])
    repeated = statistics[[0, 0, 1, 3, 3, 3, 4]]
    once = metric.combine(repeated, np.ones((1, 7)))
    np.testing.assert_allclose(metric.combine(statistics, counts), once, rtol=1e-12)


def test_many_draws_at_once_give_what_one_at_a_time_gives(metric: ModuleType, rows_of) -> None:
    statistics = measured(metric, rows_of(False))
    counts = np.random.default_rng(0).integers(1, 4, (20, len(statistics))).astype(np.float64)
    values = metric.combine(statistics, counts)
    assert values.shape == (20,)
    np.testing.assert_allclose(values, [metric.combine(statistics, draw[None])[0] for draw in counts], rtol=1e-12)
