"""What the checks of rows count in little memory is what counting them all gives."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from tunesmith.data.audit._frequent import frequent
from tunesmith.data.audit._repeats import repeats
from tunesmith.data.audit.repetition import repeated


@pytest.mark.parametrize("seed", range(20))
def test_repeated_marks_are_told_with_the_first_row_that_has_each(seed):
    chance = random.Random(seed)
    marks = [chance.randrange(1 + seed * 3) for _ in range(chance.randrange(60))]
    first: dict[int, int] = {}
    wanted = [(row, first[mark]) for row, mark in enumerate(marks) if first.setdefault(mark, row) != row]
    assert repeats(np.array(marks, np.uint64)).tolist() == [list(pair) for pair in wanted]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_common_is_found_whatever_else_comes_and_in_whatever_order(seed):
    chance = random.Random(seed)
    things = ["often"] * 60 + ["at times"] * 30 + [f"once {number}" for number in range(910)]
    chance.shuffle(things)
    exact = Counter(things)
    for share in (0.02, 0.03, 0.05, 0.07):
        common, total = frequent(lambda: things, share, size=60)
        assert total == 1000
        assert common == Counter({thing: count for thing, count in exact.items() if count >= share * 1000})


def test_nothing_is_asked_for_a_second_time_where_nothing_can_be_common():
    asked = []
    assert frequent(lambda: asked.append(1) or range(5000), 0.05, size=100) == (Counter(), 5000)
    assert len(asked) == 1


def slowly(words, size):
    """Gopher's count, written once more: every run as one text, its characters marked."""
    seen, place, found = [], 0, 0
    while place + size <= len(words):
        run = "".join(words[place : place + size])
        if run in seen:
            found, place = found + len(run), place + size
        else:
            seen.append(run)
            place += 1
    return found


@pytest.mark.parametrize("seed", range(20))
def test_characters_of_repeated_runs_are_counted_once(seed):
    chance = random.Random(seed)
    words = [chance.choice(["one", "two", "three", "four"][: 2 + seed % 3]) for _ in range(50)]
    for size in (5, 6, 10):
        assert repeated(words, size) == slowly(words, size)
