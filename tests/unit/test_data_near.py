"""Texts that are nearly the same are found, and no others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.near import alike, clusters
from tunesmith.data.shingles import jaccard, words

LONG = "one two three four five six seven eight nine ten eleven twelve"


def test_a_text_that_ends_differently_is_near():
    pairs, shares = alike([LONG, "something else altogether", LONG + " thirteen"])
    assert pairs.tolist() == [[2, 0]]
    assert shares.tolist() == [pytest.approx(10 / 11)]
    assert clusters([LONG, "something else altogether", LONG + " thirteen"]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("copy", [LONG.upper(), LONG.replace(" ", "  \n"), LONG.replace(" ", ", ") + "!",
                                  "ｏｎｅ" + LONG[3:]])
def test_case_blanks_and_punctuation_do_not_count(copy):
    pairs, shares = alike([LONG, copy])
    assert pairs.tolist() == [[1, 0]] and shares.tolist() == [1.0]


def test_capitals_of_azerbaijani_are_the_same_letters():
    assert words("Işıq İLƏ") == words("IŞIQ ilə") == words("ışıq İlə")


def test_texts_without_words_are_compared_as_they_are():
    assert clusters(["🙂", "🙁", "?!", "🙂", "", "  ", "...", ". . ."]).tolist() == [0, 1, 2, 0, 4, 4, 6, 7]


def test_short_texts_are_compared_whole():
    texts = ["good morning", "good evening", "Good morning!", "good", "morning good"]
    assert clusters(texts).tolist() == [0, 1, 0, 3, 4]


def test_a_chain_of_near_texts_is_one_cluster_though_its_ends_are_far():
    chain = [" ".join(f"w{place + step}" for place in range(30)) for step in (0, 3, 6, 9)]
    assert jaccard(chain[0], chain[3]) < 0.8 <= jaccard(chain[0], chain[1])
    assert clusters(chain).tolist() == [0, 0, 0, 0]


def test_nothing_and_one_text():
    assert clusters([]).tolist() == [] and clusters(["a"]).tolist() == [0]
    pairs, shares = alike([])
    assert pairs.shape == (0, 2) and shares.shape == (0,)


def brute(texts, threshold):
    """Every pair that is near, by comparing all."""
    return {(one, other) for one, other in combinations(range(len(texts)), 2)
            if jaccard(texts[one], texts[other]) >= threshold}


SENTENCES = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12).map(" ".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
def test_every_pair_told_is_near_and_its_share_is_exact(texts):
    pairs, shares = alike(texts)
    for (one, other), share in zip(pairs.tolist(), shares, strict=True):
        assert other < one and share == pytest.approx(jaccard(texts[one], texts[other])) and share >= 0.8
    assert len(set(pairs[:, 0].tolist())) == len(pairs)


@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    straight = clusters(texts)
    mixed = clusters([texts[place] for place in order])
    same = straight[order][:, None] == straight[order][None, :]
    assert np.array_equal(same, mixed[:, None] == mixed[None, :])
