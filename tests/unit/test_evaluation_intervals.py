"""The verdict's intervals: calibrated, able to find a gain, and right in the corners."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.evaluation import intervals
from tunesmith.metrics import exact_match, loss, perplexity, rouge_l

Array = NDArray[np.float64]
REAL = Path(__file__).with_name("real_pairs.json")
CELLS = [(kind, rows, grouped) for kind in ("loss", "exact_match", "rouge_l") for rows in (16, 32, 100, 300)
         for grouped in (False, True)]
QUICK = [("loss", 16, False), ("loss", 32, True), ("loss", 100, False), ("exact_match", 16, False),
         ("exact_match", 16, True), ("exact_match", 100, True), ("rouge_l", 16, True), ("rouge_l", 32, False)]


def paired_rows(kind: str, rows: int, grouped: bool) -> tuple[ModuleType, Array, Array, NDArray[np.intp]]:
    """Statistics as real ones are: lengths that differ, heavy tails, many ties, rows of a group that agree."""
    rng = np.random.default_rng([rows, grouped, len(kind)])
    groups = np.sort(rng.permutation(np.arange(rows) % max(8, rows // 3))) if grouped else np.arange(rows)
    shared = rng.standard_t(3, groups.max() + 1)[groups] * grouped
    if kind == "loss":
        tokens = np.ceil(rng.lognormal(4.5, 0.8, rows))
        base = rng.gamma(8, 0.2, rows)
        change = 0.1 * rng.standard_t(3, rows) + 0.1 * shared
        return loss, np.c_[base * tokens, tokens], np.c_[(base + change) * tokens, tokens], groups
    if kind == "exact_match":
        ease = 0.6 * rng.random(groups.max() + 1)[groups]
        right = [(rng.random(rows) < ease**power)[:, None].astype(float) for power in (2, 0.5)]
        return exact_match, right[0], right[1], groups
    base = rng.beta(2, 3, rows)
    other = np.where(rng.random(rows) < 0.2, base, np.clip(base + rng.normal(0, 0.15, rows) + 0.05 * shared, 0, 1))
    return rouge_l, base[:, None], other[:, None], groups


def swapped(against: Array, tuned: Array, groups: NDArray[np.intp], rng: np.random.Generator) -> tuple[Array, Array]:
    """Both sides, exchanged for a random half of the groups: no side is better."""
    exchange = (rng.random(groups.max() + 1) < 0.5)[groups][:, None]
    return np.where(exchange, tuned, against), np.where(exchange, against, tuned)


def with_gain(kind: str, tuned: Array, gain: float, rng: np.random.Generator) -> Array:
    """The tuned side, better by `gain` in the metric's units."""
    better = tuned.copy()
    if kind == "loss":
        better[:, 0] -= gain * tuned[:, 1]
    elif kind == "rouge_l":
        better[:, 0] += gain
    else:
        wrong = np.flatnonzero(tuned[:, 0] == 0)
        better[rng.choice(wrong, min(len(wrong), math.ceil(gain * len(tuned))), replace=False), 0] = 1
    return better


def real_rows(kind: str, rows: int, grouped: bool) -> tuple[ModuleType, Array, Array, NDArray[np.intp]]:
    """Statistics of real runs (`tests/real_pairs.py` made the file): SmolLM2-135M before and after tuning.

    Losses are of GSM8K, service dialogues, open conversations and orders; answers are mostly orders turned into JSON.
    Grouped: two rows share a group. A sample of rows, the same for the same arguments.
    """
    kept = json.loads(REAL.read_text())[kind]
    chosen = np.random.default_rng([rows, grouped]).permutation(len(kept["groups"]))[:rows]
    against, tuned = (np.array(kept[side])[chosen] for side in ("against", "tuned"))
    groups = np.arange(rows) // 2 if grouped else np.arange(rows)
    return {"loss": loss, "exact_match": exact_match, "rouge_l": rouge_l}[kind], against, tuned, groups


def shares(
    kind: str, rows: int, grouped: bool, times: int, made: Callable[..., Any] = paired_rows
) -> tuple[float, float]:
    """How often a word was said without cause, and how often a gain of one interval's width was found.

    Answers are right or wrong, so a gain is planted as far as wrong answers go.
    """
    metric, against, tuned, groups = made(kind, rows, grouped)
    rng = np.random.default_rng(times)
    false = found = 0
    for seed in range(times):
        first, second = swapped(against, tuned, groups, rng)
        null = intervals.paired(metric, first, second, groups.tolist(), seed=seed)
        gained = with_gain(kind, second, null.high - null.low, rng)
        gain = intervals.paired(metric, first, gained, groups.tolist(), seed=seed)
        false += null.clear
        found += gain.clear and (gain.difference > 0) == metric.higher_is_better
    return false / times, found / times


# 14 of 16 answers differ here, in 8 groups. Putting every wrong answer right leaves about half the groups without a
# difference, since the other side was right there already, and fewer than six that differ are proof of nothing: a
# gain of one interval's width does not fit. Found in 36% of 2,000 trials.
NO_ROOM = (real_rows, "exact_match", 16, True)


@pytest.mark.parametrize("made", [paired_rows, real_rows])
@pytest.mark.parametrize(("kind", "rows", "grouped"), QUICK)
def test_a_word_without_cause_is_rare_and_a_real_gain_is_found(
    kind: str, rows: int, grouped: bool, made: Callable[..., Any]
) -> None:
    false, found = shares(kind, rows, grouped, 400, made)
    assert false <= 0.086  # 5% and 3.3 standard deviations of 400 trials
    assert found >= 0.8 or (made, kind, rows, grouped) == NO_ROOM


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("made", [paired_rows, real_rows])
@pytest.mark.parametrize(("kind", "rows", "grouped"), CELLS)
def test_at_most_65_words_in_1000_are_said_without_cause(
    kind: str, rows: int, grouped: bool, made: Callable[..., Any]
) -> None:
    false, found = shares(kind, rows, grouped, 2000, made)
    print(f"{made.__name__} {kind} {rows}{' grouped' if grouped else ''}: {false:.1%} without cause, {found:.1%} found")
    assert false <= 0.065
    assert found >= 0.8 or (made, kind, rows, grouped) == NO_ROOM


def test_the_plain_percentile_interval_would_not_pass_here() -> None:
    metric, against, tuned, groups = paired_rows("loss", 16, True)
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(400):
        first, second = swapped(against, tuned, groups, rng)
        low, high = np.quantile(intervals.bootstrap(metric, first, second, groups, rng), [0.025, 0.975])
        false += low > 0 or high < 0
    assert false / 400 > 0.086


def one_column(*values: float) -> Array:
    return np.array(values, np.float64)[:, None]


def test_five_better_answers_of_a_hundred_are_not_yet_proof_and_six_are() -> None:
    def clear(better: int) -> bool:
        tuned = one_column(*[1.0] * better, *[0.0] * (100 - better))
        return intervals.paired(exact_match, np.zeros((100, 1)), tuned, range(100), seed=0).clear

    assert [clear(better) for better in (1, 5, 6)] == [False, False, True]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_nothing_is_proven_with_fewer_than_six_groups(rows: int) -> None:
    one = intervals.paired(exact_match, np.zeros((rows, 1)), np.ones((rows, 1)), range(rows), seed=0)
    assert (one.difference, one.clear) == (1.0, False)
    assert one.rows_needed == 6


def test_rows_of_one_group_do_not_count_as_many() -> None:
    against, tuned = np.zeros((60, 1)), np.ones((60, 1))
    assert not intervals.paired(exact_match, against, tuned, ["same tree"] * 60, seed=0).clear


def test_equal_sides_give_an_empty_interval_at_zero_and_no_advice() -> None:
    same = one_column(*np.random.default_rng(0).random(30))
    one = intervals.paired(rouge_l, same, same, range(30), seed=0)
    assert (one.difference, one.low, one.high, one.clear, one.rows_needed) == (0, 0, 0, False, None)


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same() -> None:
    metric, against, tuned, groups = paired_rows("loss", 100, False)
    first, again, other = (intervals.paired(metric, against, tuned, groups.tolist(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.low == pytest.approx(other.low, abs=0.2 * (first.high - first.low))


def test_the_interval_is_close_to_students_on_even_rows() -> None:
    rng = np.random.default_rng(5)
    difference = rng.normal(0.3, 1, 40)
    one = intervals.paired(rouge_l, np.zeros((40, 1)), difference[:, None], range(40), seed=0)
    half = 2.0227 * difference.std(ddof=1) / np.sqrt(40)
    assert (one.high - one.low) / 2 == pytest.approx(half, rel=0.06)


def test_as_many_rows_as_advised_are_about_enough() -> None:
    rng = np.random.default_rng(3)
    few = rng.normal(0.2, 1, 30)
    first = intervals.paired(rouge_l, np.zeros((30, 1)), few[:, None], range(30), seed=0)
    assert first.rows_needed is not None
    times = -(-first.rows_needed // 30) + 1
    many = np.tile(few, times)[:, None]
    assert intervals.paired(rouge_l, np.zeros_like(many), many, range(len(many)), seed=0).clear


def test_perplexity_and_loss_agree_on_what_is_clear_at_any_size_of_effect() -> None:
    _, against, tuned, groups = paired_rows("loss", 100, False)
    for gain in (0.0, 0.02, 0.2):
        better = with_gain("loss", tuned, gain, np.random.default_rng(0))
        first, second = (intervals.paired(metric, against, better, groups.tolist(), seed=0)
                         for metric in (loss, perplexity))
        assert first.clear == second.clear
        assert second.tuned == pytest.approx(np.exp(first.tuned))


def test_swap_effects_add_up_to_the_difference_and_turn_with_their_group() -> None:
    metric, against, tuned, groups = paired_rows("loss", 32, True)
    effects = intervals.swap_effects(metric, against, tuned, groups)
    assert effects.sum() == pytest.approx(intervals.paired(metric, against, tuned, groups.tolist(), seed=0).difference)
    chosen = groups[:, None] == 3
    turned = intervals.swap_effects(metric, np.where(chosen, tuned, against), np.where(chosen, against, tuned), groups)
    np.testing.assert_allclose(turned, np.where(np.arange(len(effects)) == 3, -effects, effects))


def test_the_swap_test_counts_exactly_where_it_can() -> None:
    share, _ = intervals.swap_test(np.ones(10), np.random.default_rng(0))
    assert share == pytest.approx(2 / 1024)
    sampled, _ = intervals.swap_test(np.r_[np.ones(6), np.zeros(30)], np.random.default_rng(0))
    assert sampled == pytest.approx(2 / 64, abs=0.01)


def test_students_quantiles_are_those_of_the_tables() -> None:
    table = {1: 12.7062, 2: 4.3027, 5: 2.5706, 15: 2.1314, 16: 2.1199, 120: 1.9799}
    assert {freedom: round(intervals.student_quantile(0.975, freedom), 4) for freedom in table} == table
    quantiles = [intervals.student_quantile(0.975, freedom) for freedom in range(1, 60)]
    assert all(later < earlier for earlier, later in pairwise(quantiles))


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same rows"):
        intervals.paired(rouge_l, np.zeros((2, 1)), np.zeros((3, 1)), [1, 2], seed=0)
