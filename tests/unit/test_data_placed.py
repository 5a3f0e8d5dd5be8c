"""Rows keep their sides when others come; those near to two sides are on none; time and labels divide as asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data import groups, times
from tunesmith.data.groups import Rule, clusters
from tunesmith.data.placed import ASIDE, Wanted, latest, placed
from tunesmith.data.times import Cuts
from tunesmith.errors import Misuse
from tunesmith.records import SIDES, Labelled, Text
from tunesmith.text.shingles import words

NEAR = Rule()
SHARES = {"validation": 0.3, "test": 0.3}
SAID = st.lists(st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=7).map(" ".join), max_size=25)
WORDS = [f"word{number}" for number in range(40)]


def texts(said):
    return tuple(Text(each, f"a.txt:{number}", each) for number, each in enumerate(said, 1))


def divide(said, known=None, **wanted):
    rows = texts(said)
    found = clusters(rows, NEAR)
    return placed(found, len(rows), NEAR, Wanted(SHARES, 1, known=known or {}, **wanted))


def remembered(made):
    return dict(zip(*(each.tolist() for each in made.groups()), strict=True))


def sides(said, known=None):
    """The side of each text, and what is to be remembered."""
    made = divide(said, known)
    return dict(zip(said, made.sides.tolist(), strict=True)), {**(known or {}), **remembered(made)}


def near(one, other):
    first, second = ({tuple(found[place : place + 3]) for place in range(max(len(found) - 2, 1))}
                     for found in (words(one), words(other)))
    return len(first & second) >= 0.8 * len(first | second)


@settings(deadline=None)
@given(SAID, SAID, SAID, st.randoms(use_true_random=False))
def test_no_row_changes_its_side_when_rows_are_appended_or_reordered(first, second, third, random):
    known, before = None, {}
    said = []
    for more in (first, second, third):
        said = said + more
        random.shuffle(said)
        now, known = sides(said, known)
        assert {text: now[text] for text in before} == before
        before = now


@settings(deadline=None)
@given(SAID, SAID, st.randoms(use_true_random=False))
def test_no_two_near_rows_are_on_different_sides_whatever_was_appended(first, second, random):
    _, known = sides(first)
    said = first + second
    random.shuffle(said)
    found, _ = sides(said, known)
    assert all(found[one] == found[other] for one in said for other in said
               if near(one, other) and ASIDE not in (found[one], found[other]))


@settings(deadline=None)
@given(SAID, SAID)
def test_a_second_look_at_the_same_rows_gives_the_same_sides_and_names(first, second):
    _, known = sides(first)
    made = divide(first + second, known)
    again = divide(first + second, {**known, **remembered(made)})
    rows = texts(first + second)
    assert made.sides.tolist() == again.sides.tolist()
    on_a_side = [place for place, side in enumerate(made.sides) if side != ASIDE]
    assert [made.clusters.name(place) for place in on_a_side] == [again.clusters.name(place) for place in on_a_side]
    assert rows == made.clusters.rows


@settings(deadline=None)
@given(SAID, SAID)
def test_without_new_rows_near_to_two_sides_none_is_set_aside(first, second):
    before, known = sides(first)
    after, _ = sides(first + second, known)
    new = set(second) - set(first)
    for text in new:
        if after[text] == ASIDE:  # what leads to it from new row to new row is near to two sides
            ahead, seen = [text], {text}
            while ahead:
                more = [other for other in new - seen if near(ahead[-1], other)]
                ahead.pop()
                seen |= set(more)
                ahead += more
            touched = {before[other] for one in seen for other in before if near(one, other)} - {ASIDE}
            assert len(touched) > 1


def with_end(*ends):
    return " ".join([*WORDS, *ends])


def test_a_row_between_two_sides_is_set_aside_and_told_with_both_neighbours():
    one, other = with_end(*"abcdef"), " ".join([*"uvwxyz", *WORDS])
    known = {}
    for text, side in ((one, 0), (other, 2)):
        known |= {next(iter(remembered(divide([text])))): side}
    between, free = " ".join(WORDS), "something else altogether is said here"
    made = divide([one, other, between, free], known)
    assert made.sides[:3].tolist() == [0, 2, ASIDE] and made.sides[3] != ASIDE
    told = [finding for finding in made.findings if finding.kind == "data.set_aside"]
    assert [finding.what for finding in told] == [
        "1 group(s) are near to rows of two sides and set aside, on none: a.txt:3 beside a.txt:1 (train) and a.txt:2 "
        "(test)"]
    assert made.clusters.name(0) != made.clusters.name(1)  # what joined them is gone
    later = divide([one, between], {**known, **remembered(made)})
    assert later.sides.tolist() == [0, ASIDE]
    assert [finding.kind for finding in later.findings] == ["data.set_aside"]


def test_whichever_row_of_an_author_it_is_near_to_a_new_author_between_two_sides_is_set_aside():
    rule = Rule(columns=("author",))
    one, other = " ".join([*WORDS, *"abcdef"]), " ".join([*"uvwxyz", *WORDS])
    said = [("ann", "the first thing that ann ever said"), ("ann", one), ("bob", "and bob said something else"),
            ("bob", other), ("eve", "eve came later and spoke of the weather"), ("eve", " ".join(WORDS))]
    rows = tuple(Text(text, f"a.txt:{number}", author) for number, (author, text) in enumerate(said, 1))
    known = {groups.digest("ann"): 0, groups.digest("bob"): 2}
    made = placed(clusters(rows, rule), len(rows), rule, Wanted(SHARES, 1, known=known))
    assert made.sides.tolist() == [0, 0, 2, 2, ASIDE, ASIDE]
    assert "beside a.txt:1 (train) and a.txt:3 (test)" in made.findings[0].what


def test_a_new_row_near_to_a_test_row_joins_the_test_rows():
    text = with_end("alpha")
    known = dict.fromkeys(remembered(divide([text])), SIDES.index("test"))
    made = divide([*(f"row {number} of others" for number in range(9)), text + " beta", text], known)
    assert made.sides[-2:].tolist() == [2, 2]


DAYS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=60)


@settings(deadline=None)
@given(DAYS, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.1, 0.3]))
def test_nothing_of_the_future_is_learnt_and_the_shares_come_as_near_as_days_allow(rows, validation, test):
    days = np.array([day for day, _ in rows], np.float64)
    said = tuple(Text(f"t{number}", f"a:{number}", f"g{group}") for number, (_, group) in enumerate(rows))
    found = clusters(said, Rule(None))
    _, unit_of = np.unique(found.first, return_inverse=True)
    sizes = np.bincount(unit_of)
    shares = {"validation": validation, "test": test}
    cuts = times.cuts(latest(days, unit_of, len(sizes)), sizes, shares, {})
    made = placed(found, len(rows), Rule(None), Wanted(shares, 0, days, cuts))
    assert not made.set_aside and (made.sides == 0).any()
    for side, later in (("train", min(cuts.validation, cuts.test)), ("validation", cuts.test)):
        assert all(days[made.sides == SIDES.index(side)] < later)
    if cuts.test != times.NEVER:
        tests, step = int((made.sides == 2).sum()), max(Counter(latest(days, unit_of, len(sizes)).tolist()).values())
        assert abs(tests - test * len(rows)) <= step * sizes.max() + 1


def test_a_row_of_the_future_is_not_learnt_with_a_group_that_is_learnt_already():
    rows = tuple(Text(f"t{number}", f"a:{number}", group) for number, group in enumerate(["old", "old", "new"]))
    found, days = clusters(rows, Rule(None)), np.array([1.0, 99.0, 99.0])
    known = {int(found.own[0]): 0}
    made = placed(found, 3, Rule(None), Wanted(SHARES, 0, days, Cuts(5.0, 10.0), known=known))
    assert made.sides.tolist() == [0, ASIDE, 2]
    assert made.findings[-1].what.startswith("1 row(s) are later than what is learnt")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from("aaaaaaaabbbc"), min_size=12, max_size=300), st.integers(0, 5),
       st.randoms(use_true_random=False))
def test_each_label_has_its_share_whatever_the_order_and_one_group_at_least_to_learn_from(labels, seed, random):
    rows = [Labelled(f"text {number}", (label,), f"a:{number}", f"g{number}") for number, label in enumerate(labels)]
    shares = {"validation": 0.1, "test": 0.2}

    def side_of(order):
        made = placed(clusters(tuple(order), Rule(None)), len(order), Rule(None), Wanted(shares, seed, stratify=True))
        return dict(zip([row.group for row in order], made.sides.tolist(), strict=True))

    found = side_of(rows)
    for label, many in Counter(labels).items():
        count = Counter(found[row.group] for row in rows if row.labels == (label,))
        assert count[0] >= 1
        assert abs(count[2] - 0.2 * many) <= 1 and abs(count[1] - 0.1 * many) <= 2
    random.shuffle(rows)
    assert side_of(rows) == found


def test_labels_keep_their_shares_and_rows_their_sides_when_rows_are_appended():
    rows = [Labelled(f"text {number}", ("ab"[number % 10 == 0],), f"a:{number}", f"g{number}") for number in range(400)]
    shares, known, before = {"validation": 0.0, "test": 0.25}, {}, {}
    for many in (100, 250, 400):
        part = tuple(rows[:many])
        made = placed(clusters(part, Rule(None)), many, Rule(None), Wanted(shares, 0, stratify=True, known=known))
        now = dict(zip([row.where for row in part], made.sides.tolist(), strict=True))
        assert {where: now[where] for where in before} == before
        known, before = {**known, **remembered(made)}, now
        for label in "ab":
            mine = [now[row.where] for row in part if row.labels == (label,)]
            assert abs(mine.count(2) - 0.25 * len(mine)) <= 1


def test_rows_of_several_labels_are_drawn_by_the_rarest():
    labels = [("common", "rare")] * 10 + [("common",)] * 190
    rows = tuple(Labelled(f"text {number}", each, f"a:{number}", f"g{number}") for number, each in enumerate(labels))
    made = placed(clusters(rows, Rule(None)), 200, Rule(None),
                  Wanted({"validation": 0.0, "test": 0.3}, 3, stratify=True))
    assert abs((made.sides[:10] == 2).sum() - 3) <= 1


def test_rows_without_labels_and_labels_that_are_all_different_are_refused():
    with pytest.raises(Misuse, match="no labels"):
        divide(["one", "two"], stratify=True)
    rows = tuple(Labelled(f"text {number}", (str(number),), f"a:{number}", f"g{number}") for number in range(9))
    with pytest.raises(Misuse, match="most of them once"):
        placed(clusters(rows, NEAR), 9, Rule(None), Wanted(SHARES, 1, stratify=True))


@pytest.mark.parametrize(("value", "seconds"), [
    ("1970-01-02", 86400), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:05Z", 5), (7, 7), ("12.5", 12.5),
    ("19700102", 86400), ("yesterday", None), ("", None), (None, None), (True, None), (1.7e12, None),
    (float("nan"), None), ("21.11.2026", None)])
def test_times_are_read_as_dates_and_as_seconds(value, seconds):
    assert times.moment(value) == seconds


def test_dates_in_the_wrong_order_and_words_that_are_none_are_refused():
    both = {"validation": 0.1, "test": 0.1}
    with pytest.raises(Misuse, match="no date"):
        times.given({"validation": None, "test": "soon"}, both)
    with pytest.raises(Misuse, match="validation begins"):
        times.given({"validation": "2026-02-01", "test": "2026-01-01"}, both)
