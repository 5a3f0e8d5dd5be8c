"""How far two people agree: kappa as scikit-learn has it, with an interval that holds; entities by F1."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from sklearn.metrics import f1_score as sklearn_f1

from tunesmith.evaluation import agreement, intervals
from tunesmith.metrics import kappa


def statistics(first, second):
    return np.array([[0, one, other] for one, other in zip(first, second, strict=True)], np.float64)


@pytest.mark.filterwarnings("ignore")
def test_kappa_is_scikit_learns_in_two_thousand_random_cases():
    drawing = np.random.default_rng(1)
    compared = 0
    for _ in range(2000):
        labels, rows = drawing.integers(1, 9), drawing.integers(1, 60)
        first = drawing.integers(0, labels, rows)
        second = np.where(drawing.random(rows) < drawing.random(), first, drawing.integers(0, labels, rows))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = cohen_kappa_score(first, second)
        [found] = kappa.combine(statistics(first, second), np.ones((1, rows)))
        if np.isnan(wanted):
            assert found == 1 and (first == second).all()
            continue
        assert found == pytest.approx(wanted, abs=1e-12)
        compared += 1
    assert compared > 1000


def test_a_draw_of_rows_has_the_kappa_of_the_rows_drawn():
    drawing = np.random.default_rng(2)
    first = drawing.integers(0, 4, 30)
    second = np.where(drawing.random(30) < 0.7, first, drawing.integers(0, 4, 30))
    counts = drawing.integers(0, 4, (20, 30)).astype(np.float64)
    for row, found in zip(counts, kappa.combine(statistics(first, second), counts), strict=True):
        places = np.repeat(np.arange(30), row.astype(int))
        assert found == pytest.approx(cohen_kappa_score(first[places], second[places]), abs=1e-12)


def test_of_several_labels_each_has_the_kappa_of_a_yes_or_no_and_the_mean_is_told():
    drawing = np.random.default_rng(3)
    names = ("a", "b", "c")
    for _ in range(300):
        one = drawing.random((25, 3)) < 0.4
        other = np.where(drawing.random((25, 3)) < 0.8, one, drawing.random((25, 3)) < 0.4)
        rows = [[tuple(name for name, given in zip(names, row, strict=True) if given) for row in side]
                for side in (one, other)]
        found = agreement.of_labels(*rows)
        each = [cohen_kappa_score(one[:, place], other[:, place]) for place in range(3)]
        assert found.measure == "mean kappa"
        assert [label.agreement for label in found.labels] == pytest.approx(each, abs=1e-12)
        assert found.value == pytest.approx(np.mean(each), abs=1e-12)


def test_a_label_that_both_always_give_has_no_kappa_and_does_not_spoil_the_mean():
    rows = [("always", "x"), ("always",), ("always", "x"), ("always",)]
    found = agreement.of_labels(rows, rows)
    assert {one.label: one.agreement for one in found.labels} == {"always": None, "x": 1.0}
    assert found.value == 1.0


def test_labels_that_agree_as_often_as_chance_have_a_kappa_of_nothing_however_often_they_are_the_same():
    drawing = np.random.default_rng(4)
    first, second = (np.where(drawing.random(4000) < 0.9, "yes", "no") for _ in range(2))
    found = agreement.of_labels([(one,) for one in first], [(one,) for one in second])
    assert found.same > 0.8
    assert found.low < 0 < found.high
    assert abs(found.value) < 0.05


def test_one_label_for_all_is_no_kappa_at_all():
    found = agreement.of_labels([("a",)] * 9, [("a",)] * 9)
    assert (found.same, found.value, found.low, found.labels[0].agreement) == (1.0, None, None, None)


def test_the_table_counts_each_label_on_either_side():
    first = [("a",), ("a",), ("b",), ("c",)]
    second = [("a",), ("b",), ("b",), ("b",)]
    found = agreement.of_labels(first, second)
    assert [(one.label, one.first, one.second, one.both) for one in found.labels] == [
        ("a", 2, 1, 1), ("b", 1, 3, 1), ("c", 1, 0, 0)]
    assert found.same == 0.5


@pytest.mark.parametrize(("rows", "agrees"), [(60, 0.8), (200, 0.6)])
def test_the_interval_holds_the_true_kappa_nineteen_times_in_twenty(rows, agrees):
    drawing = np.random.default_rng(5)
    # three labels, equally frequent; the second repeats the first or draws anew: kappa is the share repeated
    held = 0
    for seed in range(200):
        first = drawing.integers(0, 3, rows)
        second = np.where(drawing.random(rows) < agrees, first, drawing.integers(0, 3, rows))
        _, low, high = intervals.alone(kappa, statistics(first, second), seed=seed)
        held += low <= agrees <= high
    assert 182 <= held <= 199  # 190 expected; three deviations are 9


def test_entities_are_compared_by_f1_and_it_is_the_same_whoever_comes_first():
    first = [frozenset({("PER", 0, 2), ("LOC", 4, 5)}), frozenset({("PER", 1, 2)}), frozenset()]
    second = [frozenset({("PER", 0, 2)}), frozenset({("LOC", 1, 2)}), frozenset()]
    found, back = agreement.of_entities(first, second), agreement.of_entities(second, first)
    assert found.measure == "entity F1"
    assert found.value == pytest.approx(2 * 1 / (3 + 2)) == back.value
    assert found.same == pytest.approx(1 / 3)
    assert {one.label: one.agreement for one in found.labels} == {"LOC": 0.0, "PER": pytest.approx(2 / 3)}
    every = sorted({(row, one) for side in (first, second) for row, some in enumerate(side) for one in some})
    oracle = sklearn_f1(*([entity in {(row, one) for row, some in enumerate(side) for one in some} for entity in every]
                          for side in (first, second)))
    assert found.value == pytest.approx(oracle)


def test_texts_are_compared_by_the_share_that_is_equal():
    found = agreement.of_texts(["a", "b ", "c", "d"], ["a", "b", "x", "y"])
    assert (found.measure, found.value, found.same) == ("share", 0.5, 0.5)
    assert found.low < 0.5 < found.high
