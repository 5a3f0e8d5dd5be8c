"""Texts that are nearly the same are found, and no others."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from near_pairs import jaccard, repeats
from tunesmith.text import near
from tunesmith.text.minhash import bands_for
from tunesmith.text.near import CROWD, alike, clusters
from tunesmith.text.shingles import words

LONG = "one two three four five six seven eight nine ten eleven twelve"


@contextmanager
def counted():
    """How many pairs of texts are compared meanwhile."""
    seen, shares = [], near._Compared.shares

    def counting(self, one, other, threshold):
        seen.append(len(one))
        return shares(self, one, other, threshold)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near._Compared, "shares", counting)
        yield lambda: sum(seen)


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


def test_each_character_of_chinese_is_a_word():
    assert words("我们ok明天") == ["我", "们", "ok", "明", "天"]


def test_half_a_pair_of_surrogates_is_no_crash():
    assert clusters(["a \ud800b c", "a \ud800b c"]).tolist() == [0, 0]


def test_a_chain_of_near_texts_is_one_cluster_though_its_ends_are_far():
    chain = [" ".join(f"w{place + step}" for place in range(30)) for step in (0, 3, 6, 9)]
    assert jaccard(chain[0], chain[3]) < 0.8 <= jaccard(chain[0], chain[1])
    assert clusters(chain).tolist() == [0, 0, 0, 0]


def test_nothing_and_one_text():
    assert clusters([]).tolist() == [] and clusters(["a"]).tolist() == [0]
    pairs, shares = alike([])
    assert pairs.shape == (0, 2) and shares.shape == (0,)


SENTENCES = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12).map(" ".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
def test_every_pair_told_is_near_and_its_share_is_exact(texts):
    pairs, shares = alike(texts)
    for (one, other), share in zip(pairs.tolist(), shares, strict=True):
        assert other < one and share == pytest.approx(jaccard(texts[one], texts[other])) and share >= 0.8
    assert len(set(pairs[:, 0].tolist())) == len(pairs) and set(pairs[:, 0].tolist()) <= repeats(texts, 0.8)


@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    straight = clusters(texts)
    mixed = clusters([texts[place] for place in order])
    same = straight[order][:, None] == straight[order][None, :]
    assert np.array_equal(same, mixed[:, None] == mixed[None, :])


def sentences(count, size, seed=0):
    """Texts of random words, of which no two are near."""
    drawn = np.random.default_rng(seed).integers(0, 10**9, (count, size))
    return [" ".join(map(str, row)) for row in drawn]


def edited(text, place):
    """The text with another word at a place."""
    made = text.split()
    made[place] = "another"
    return " ".join(made)


@pytest.mark.parametrize(("size", "place"), [(30, 0), (16, 0), (32, 15), (29, 14)])
def test_of_pairs_at_the_threshold_nearly_all_are_found(size, place):
    old = sentences(3000, size)
    new = [edited(text, place) for text in old]
    assert {jaccard(*each) >= 0.8 for each in zip(old, new, strict=True)} == {True}
    pairs, _ = alike([*old, *new])
    assert {tuple(pair) for pair in pairs.tolist()} <= {(3000 + row, row) for row in range(3000)}
    assert len(pairs) >= 0.99 * 3000


@pytest.mark.parametrize(("threshold", "size"), [(0.3, 8), (0.5, 9), (0.6, 11), (0.9, 40), (0.95, 60), (1.0, 10)])
def test_other_thresholds_find_what_is_above_them(threshold, size):
    old = sentences(500, size)
    new = [edited(text, 0) if threshold < 1 else text + "!" for text in old]
    near = sum(jaccard(*each) >= threshold for each in zip(old, new, strict=True))
    assert near == 500
    assert len(alike([*old, *new], threshold=threshold)[0]) >= 0.98 * near


def test_the_chance_of_being_compared_is_what_it_is_said_to_be():
    bands = bands_for(0.8)
    assert (bands.count, bands.rows) == (18, 6)
    assert bands.compared(0.8) == pytest.approx(1 - (1 - 0.8**6) ** 18) and bands.compared(0.8) > 0.99
    assert [round(bands.compared(share), 3) for share in (0.3, 0.5, 0.9)] == [0.013, 0.247, 1.0]
    assert all(bands_for(share).compared(share) > 0.99 for share in np.arange(0.05, 1, 0.01))


def test_ten_thousand_copies_are_one_text():
    with counted() as compared:
        found = clusters([LONG, *[f"{LONG}!{' ' * (place % 7)}" for place in range(10_000)], LONG + " thirteen"])
    assert set(found.tolist()) == {0} and compared() <= 18


def test_a_phrase_that_all_rows_share_costs_no_square():
    frame = " ".join(f"frame{place}" for place in range(40))
    rows = [f"{frame} {text}" for text in sentences(1500, 6)]
    assert jaccard(rows[0], rows[1]) < 0.8
    with counted() as compared:
        found = clusters(rows)
    assert found.tolist() == list(range(1500))
    assert compared() < 18 * CROWD * 1500 / 4 < 1500**2 / 2


def test_in_a_crowd_of_rows_near_ones_are_found_too():
    frame = " ".join(f"frame{place}" for place in range(40))
    rows = [f"{frame} {text}" for text in sentences(1500, 8)]
    near = [edited(row, -1) for row in rows[:200]]
    assert jaccard(rows[0], near[0]) > 0.9 and jaccard(rows[0], rows[1]) < 0.8
    found = clusters([*rows, *near])
    assert sum(found[1500:] < 1500) >= 198
    pairs, shares = alike([*rows, *near])
    assert (pairs[:, 1] < pairs[:, 0]).all() and (shares >= 0.8).all() and len(pairs) >= 198


def test_nothing_stays_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    clusters(sentences(50, 20))
    assert list(tmp_path.iterdir()) == []
