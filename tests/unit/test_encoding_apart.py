"""Equal texts stand apart, as far as they can."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.encoding.batches.apart import apart


def nearest(order, texts) -> int:
    """How near two examples with an equal text stand to each other."""
    last: dict[int, int] = {}
    found = len(order)
    for place, example in enumerate(order):
        for text in set(texts[example]):
            found = min(found, place - last.get(text, -len(order)))
            last[text] = place
    return found


@pytest.mark.parametrize("seed", range(20))
def test_no_window_holds_an_equal_text_twice_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    texts = {example: [int(rng.integers(40)), 1000 + int(rng.integers(60))] for example in range(120)}
    drawn = rng.permutation(120).tolist()
    made = apart(drawn, texts, 8)
    assert sorted(made) == sorted(drawn)
    assert nearest(made[:80], texts) >= 8
    assert nearest(drawn, texts) < 8


def test_an_order_without_equal_texts_is_kept():
    assert apart([3, 1, 2, 0], {example: [example] for example in range(4)}, 4) == [3, 1, 2, 0]


def test_every_example_comes_even_where_all_texts_are_equal():
    assert sorted(apart(list(range(1000)), {key: [7] for key in range(1000)}, 32)) == list(range(1000))


def test_what_is_alike_is_not_heaped_up_at_the_end():
    texts = {example: [0 if example % 2 else example] for example in range(4000)}
    made = apart(np.random.default_rng(0).permutation(4000).tolist(), texts, 32)
    assert sum(example % 2 for example in made[2000:3000]) < 700
