"""Histograms of checks: every value in a bin, and bins that a reader can name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tunesmith.data.audit._drawing import BINS, MOST_BARS, bars, histogram


@pytest.mark.parametrize("values", [[46, 635], [7], [3, 3], [0, 1, 2], [12, 98_765], [1, 30], [1, 31], [5, 1_000_000]])
def test_whole_numbers_have_bins_of_round_width_and_all_have_one(values) -> None:
    figure = histogram("Lengths", "rows", {"train": np.array(values, np.float64)}, marks={"limit": 8.0})
    edges = np.array(figure.edges)
    [wide] = set(np.diff(edges))
    assert str(int(wide)).rstrip("0") in ("1", "2", "5") and np.array_equal(edges % wide, np.zeros(len(edges)))
    assert sum(figure.series["train"]) == len(values)
    assert edges[0] <= min([*values, 8]) and edges[-1] >= max([*values, 8]) and len(edges) <= BINS + 2


def test_shares_keep_the_bins_that_they_need() -> None:
    figure = histogram("Shares", "rows", {"train": np.array([0.25, 0.5, 0.75])})
    assert figure.edges[0] == 0.25 and figure.edges[-1] == 0.75 and sum(figure.series["train"]) == 3


def test_of_many_names_the_most_are_drawn_each_to_the_same_scale_and_the_title_says_of_how_many() -> None:
    counts = {"train": Counter({f"label {number}": 1000 - number for number in range(MOST_BARS + 5)}),
              "test": Counter({"label 7": 6})}
    figure = bars("Labels", "rows", counts)
    assert figure.title == f"Labels, the first {MOST_BARS} of {MOST_BARS + 5}"
    assert figure.names[:8] == ("label 0", "label 1", "label 7", *(f"label {number}" for number in range(2, 7)))
    assert max(figure.series["train"]) == 1000 and figure.series["test"][2] == 6
    assert bars("Labels", "rows", {"train": Counter("aab")}).title == "Labels"
