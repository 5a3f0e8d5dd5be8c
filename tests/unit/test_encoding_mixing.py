"""Sources mixed by weight: their shares in every prefix and window, their rows in turn, and going on from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.encoding.batches.mixing import next_source, weights_of
from tunesmith.encoding.batches.packing import batches
from tunesmith.encoding.order import epoch_order, total_steps
from tunesmith.errors import Failure
from tunesmith.records import Document, Order, Position, Source

WEIGHTS = st.lists(st.integers(1, 60), min_size=2, max_size=6)


def order_of_sources(weights: Sequence[int], rows: int) -> list[int]:
    taken, order = [0] * len(weights), []
    for _ in range(rows):
        order.append(next_source(taken, weights))
        taken[order[-1]] += 1
    return order


def documents(count: int) -> list[Document]:
    ones = np.ones(3, np.float32)
    return [Document(np.arange(3), np.array([1, 2, -100]), ones, number) for number in range(count)]


def mixed(sizes: Sequence[int], weights: Sequence[int]) -> tuple[Source, ...]:
    ends = list(accumulate(sizes))
    names = ["train", *(f"source-{number}" for number in range(1, len(sizes)))]
    return tuple(
        Source(name, Fraction(weight, sum(weights)), end - size, end, "" if name == "train" else name)
        for name, size, weight, end in zip(names, sizes, weights, ends, strict=True)
    )


def taken(order: Order, count: int, position: Position | None = None) -> tuple[list[int], list[Position]]:
    """The examples of all steps from a position, and the position after each."""
    examples, after = [], []
    for batch in batches(None, documents(count), None, order, position or Position({}), given=None):
        assert batch.after is not None
        examples += [document.example for document in batch.documents]
        after.append(batch.after)
    return examples, after


def source_of(example: int, sources: Sequence[Source]) -> str:
    return next(source.name for source in sources if source.start <= example < source.end)


@settings(max_examples=50, deadline=None)
@given(WEIGHTS)
def test_every_prefix_has_the_shares_to_within_less_than_one_row(weights: list[int]) -> None:
    bound = Fraction(2 * len(weights) - 3, 2 * len(weights) - 2)
    had = [0] * len(weights)
    for row, source in enumerate(order_of_sources(weights, 3 * sum(weights)), 1):
        had[source] += 1
        assert max(abs(Fraction(weight * row, sum(weights)) - count)
                   for weight, count in zip(weights, had, strict=True)) <= bound < 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40))
def test_every_window_of_two_sources_has_the_shares_to_within_one_row(first: int, second: int, length: int) -> None:
    order = np.array(order_of_sources([first, second], 2 * (first + second) + length))
    windows = np.lib.stride_tricks.sliding_window_view(order, length).sum(axis=1)
    assert np.abs(windows - length * second / (first + second)).max() <= 1 + 1e-9


def test_a_tenth_of_general_rows_is_one_in_every_step_of_ten() -> None:
    order = order_of_sources(weights_of(mixed([90, 10], [9, 1])), 200)
    assert [order[start : start + 10].count(1) for start in range(0, 200, 10)] == [1] * 20


MIXES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=4)


@settings(max_examples=80, deadline=None)
@given(MIXES, st.integers(1, 7), st.integers(0, 5))
def test_rows_of_a_source_are_seen_equally_often_to_within_one_and_none_twice_before_all(
    mix: list[tuple[int, int]], batch_size: int, seed: int
) -> None:
    sources = mixed([size for size, _ in mix], [weight for _, weight in mix])
    seen, _ = taken(Order(batch_size, seed, 1.0, 25, sources=sources), sources[-1].end)
    assert len(seen) == 25 * batch_size
    counts = Counter(seen)
    for source in sources:
        often = [counts[example] for example in range(source.start, source.end)]
        assert max(often) - min(often) <= 1
        own = [example for example in seen if source.start <= example < source.end]
        size = source.end - source.start
        assert all(len(set(own[start : start + size])) == len(own[start : start + size])
                   for start in range(0, len(own), size))


@settings(max_examples=60, deadline=None)
@given(MIXES, st.integers(1, 6), st.integers(0, 19), st.sets(st.integers(0, 8), max_size=3))
def test_going_on_from_any_step_gives_the_rows_of_a_run_that_never_stopped(
    mix: list[tuple[int, int]], batch_size: int, stop: int, set_aside: set[int]
) -> None:
    sources = mixed([size + 3 for size, _ in mix], [weight for _, weight in mix])
    aside = frozenset(sources[0].start + number for number in set_aside if number < sources[0].end - 1)
    order = Order(batch_size, 3, 1.0, 20, aside, sources)
    whole, positions = taken(order, sources[-1].end)
    rest, after = taken(order, sources[-1].end, positions[stop])
    assert rest == whole[(stop + 1) * batch_size :]
    assert after == positions[stop + 1 :]
    assert not set(whole) & aside


@given(st.integers(1, 5), st.integers(1, 4))
def test_the_order_does_not_depend_on_how_many_rows_make_a_step(batch_size: int, times: int) -> None:
    sources = mixed([7, 4, 3], [6, 3, 1])
    small, _ = taken(Order(batch_size, 1, 1.0, 12 * times, sources=sources), 14)
    large, _ = taken(Order(batch_size * times, 1, 1.0, 12, sources=sources), 14)
    assert small == large


def test_a_source_begins_again_in_another_order() -> None:
    sources = mixed([10, 30], [1, 1])
    seen, _ = taken(Order(10, 0, 1.0, 6, sources=sources), 40)
    own = [example for example in seen if example < 10]
    assert sorted(own[:10]) == sorted(own[10:20]) == list(range(10))
    assert own[:10] != own[10:20]


def test_without_sources_the_order_is_as_it_always_was() -> None:
    seen, positions = taken(Order(4, 5, 2.0, 5), 9)
    expected = [*epoch_order(range(9), 5, 0), *epoch_order(range(9), 5, 1), *epoch_order(range(9), 5, 2)]
    assert seen == expected[:20]
    assert [position.cursor for position in positions] == [
        {"epoch": 0, "index": 4, "step": 1}, {"epoch": 0, "index": 8, "step": 2}, {"epoch": 1, "index": 3, "step": 3},
        {"epoch": 1, "index": 7, "step": 4}, {"epoch": 2, "index": 2, "step": 5}]
    # kept as numbers, so that no change of both sides at once goes unseen
    assert epoch_order(range(9), 5, 0) == [3, 5, 6, 1, 8, 0, 4, 7, 2]


def test_the_training_files_own_rows_come_as_without_a_mix() -> None:
    sources = mixed([9, 5], [3, 1])
    alone, _ = taken(Order(4, 5, 1.0, 3), 9)
    together, _ = taken(Order(4, 5, 1.0, 6, sources=sources), 14)
    assert [example for example in together if example < 9][:12] == alone


def test_an_epoch_is_over_when_the_training_file_was_seen_once() -> None:
    assert total_steps(90, 10, 1.0, share=0.9) == 10
    assert total_steps(90, 10, 2.0, share=0.9) == 20
    assert total_steps(90, 10, 1.0, 4, share=0.9) == 4


def test_a_source_of_which_nothing_is_left_is_named() -> None:
    sources = mixed([4, 2], [1, 1])
    with pytest.raises(Failure) as caught:
        taken(Order(2, 0, 1.0, 3, frozenset({4, 5}), sources), 6)
    assert caught.value.where == "data.mix.source-1"
