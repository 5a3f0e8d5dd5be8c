"""Metrics of labels and numbers are scikit-learn's and scipy's, on random cases with ties and with classes left out."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn import metrics as judge

from tunesmith.metrics import accuracy, macro_f1, mae, micro_f1, mse, pearson, precision, recall, roc_auc, spearman
from tunesmith.records import Labelled, Prediction

CASES = 1000
EXAMPLE = Labelled("", (), "rows.csv:1", "1")


@pytest.fixture(autouse=True)
def undefined_is_no_news():
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        yield


def value(metric, predictions: list[Prediction]) -> float:
    statistics = np.array([metric.measure(one, EXAMPLE, metric.Settings()) for one in predictions], np.float64)
    return float(metric.combine(statistics, np.ones((1, len(predictions))))[0])


def single(expected, said, scores) -> list[Prediction]:
    names = [f"class {number}" for number in range(scores.shape[1])]
    return [Prediction(0, output={"label": names[found], "scores": dict(zip(names, row, strict=True))},
                       expected={"label": names[wanted]})
            for wanted, found, row in zip(expected, said, scores, strict=True)]


def several(expected, said, scores) -> list[Prediction]:
    names = [f"class {number}" for number in range(scores.shape[1])]
    def of(row):
        return [name for name, there in zip(names, row, strict=True) if there]
    return [Prediction(0, output={"labels": of(found), "scores": dict(zip(names, row, strict=True))},
                       expected={"labels": of(wanted)})
            for wanted, found, row in zip(expected, said, scores, strict=True)]


def numbers(expected, said) -> list[Prediction]:
    return [Prediction(0, output={"value": float(found)}, expected={"value": float(wanted)})
            for wanted, found in zip(expected, said, strict=True)]


def macro(expected, said) -> dict[object, float]:
    found = judge.precision_recall_fscore_support(expected, said, average="macro")
    return dict(zip((precision, recall, macro_f1), found, strict=False))


def areas(expected_RL, scores_RL) -> float:
    """scikit-learn's, over the classes for which it has one."""
    there = (expected_RL.sum(0) > 0) & (expected_RL.sum(0) < len(expected_RL))
    return judge.roc_auc_score(expected_RL[:, there], scores_RL[:, there], average="macro") if there.any() else 0.5


def test_one_label_a_row_is_measured_as_scikit_learn_does():
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        rows, classes = int(rng.integers(1, 40)), int(rng.integers(2, 9))
        expected, said = rng.integers(0, rng.integers(1, classes + 1), (2, rows))  # often some class is never there
        scores = rng.integers(0, 5, (rows, classes)) / 4  # ties
        predictions = single(expected, said, scores)
        wanted = {
            accuracy: judge.accuracy_score(expected, said),
            **macro(expected, said),
            roc_auc: areas(*((expected[:, None] == np.arange(classes), scores) if classes > 2 else
                             (expected[:, None], scores[:, 1:]))),
        }
        for metric, right in wanted.items():
            assert value(metric, predictions) == pytest.approx(right, abs=1e-12), (metric.__name__, seed)


def test_several_labels_a_row_are_measured_as_scikit_learn_does():
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        rows, classes = int(rng.integers(1, 40)), int(rng.integers(2, 9))
        expected, said = (rng.random((2, rows, classes)) < rng.random((2, 1, classes)) * 0.5).astype(int)
        scores = rng.integers(0, 5, (rows, classes)) / 4
        predictions = several(expected, said, scores)
        wanted = {
            accuracy: judge.accuracy_score(expected, said),
            micro_f1: judge.f1_score(expected, said, average="micro"),
            **macro(expected, said),
            roc_auc: areas(expected, scores),
        }
        for metric, right in wanted.items():
            assert value(metric, predictions) == pytest.approx(right, abs=1e-12), (metric.__name__, seed)


def test_numbers_are_measured_as_scipy_and_scikit_learn_do():
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(2, 40))
        expected = rng.integers(0, 6, rows) / 2 if seed % 2 else rng.normal(1000, 3, rows)
        said = expected + rng.integers(-2, 3, rows) if seed % 3 else rng.normal(size=rows)
        predictions = numbers(expected, said)
        wanted = {
            pearson: np.nan_to_num(stats.pearsonr(expected, said)[0]),
            spearman: np.nan_to_num(stats.spearmanr(expected, said)[0]),
            mse: judge.mean_squared_error(expected, said),
            mae: judge.mean_absolute_error(expected, said),
        }
        for metric, right in wanted.items():
            assert value(metric, predictions) == pytest.approx(right, rel=1e-9, abs=1e-9), (metric.__name__, seed)


def test_a_metric_has_nothing_to_say_of_what_it_was_not_asked():
    [label], [labels], [number] = (single([0], [0], np.ones((1, 2))), several([[1, 0]], [[1, 0]], np.ones((1, 2))),
                                   numbers([1], [1]))
    for metric, silent in ((accuracy, number), (macro_f1, number), (micro_f1, label), (roc_auc, number),
                           (pearson, label), (spearman, labels), (mse, labels), (mae, label)):
        assert metric.measure(silent, EXAMPLE, metric.Settings()) == ()


def test_ranks_and_areas_of_a_draw_are_those_of_the_rows_drawn():
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, (30, 50))
    scores = rng.integers(0, 9, (50, 3)) / 8
    rows = single(rng.integers(0, 3, 50), scores.argmax(1), scores)
    values = numbers(rng.integers(0, 9, 50), rng.integers(0, 9, 50))
    for metric, predictions in ((roc_auc, rows), (macro_f1, rows), (spearman, values)):
        statistics = np.array([metric.measure(one, EXAMPLE, metric.Settings()) for one in predictions])
        together = metric.combine(statistics, counts.astype(np.float64))
        apart = [value(metric, [one for one, times in zip(predictions, draw, strict=True) for _ in range(times)])
                 for draw in counts]
        np.testing.assert_allclose(together, apart, atol=1e-12)


if __name__ == "__main__":  # what 2,000 draws of 3,000 rows and 77 classes take
    import resource

    rng = np.random.default_rng(0)
    draws = rng.multinomial(3000, np.full(3000, 1 / 3000), 2000).astype(np.float64)
    chances = rng.dirichlet(np.full(77, 0.1), 3000)
    predictions = single(rng.integers(0, 77, 3000), chances.argmax(1), chances)
    for metric in (accuracy, macro_f1, precision, recall, roc_auc):
        begun = time.perf_counter()
        statistics = np.array([metric.measure(one, EXAMPLE, metric.Settings()) for one in predictions])
        measured = time.perf_counter()
        metric.combine(statistics, draws)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{metric.__name__}: {measured - begun:.2f} s + {time.perf_counter() - measured:.2f} s, {peak} MiB")
