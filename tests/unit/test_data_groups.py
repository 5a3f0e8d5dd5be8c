"""Rows that are nearly the same, or share an author or a document, stay on one side whatever their order."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith import scratch
from tunesmith.data import groups
from tunesmith.data.groups import Rule, clusters
from tunesmith.data.split import leaks, split
from tunesmith.records import Answer, Conversation, Labelled, Message, Pair, Question, Text
from tunesmith.text import shingles as shingling
from tunesmith.text.shingles import words

LONG = "the quick brown fox jumps over the lazy dog while seven wizards brew a strong and bitter potion for the king"
# few words, so that texts of them are often near each other
TEXTS = st.lists(st.lists(st.sampled_from(["red", "blue", "green", "gold"]), min_size=1, max_size=7).map(" ".join),
                 max_size=30)


NEAR = Rule()


def shingles(text):
    found = words(text)
    return {tuple(found[place : place + 3]) for place in range(max(len(found) - 2, 1))}


def jaccard(one, other):
    return len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))


def texts(said):
    return tuple(Text(each, f"a.txt:{number}", each) for number, each in enumerate(said, 1))


def together(rows, rule=NEAR):
    """The places of the rows of each cluster of several rows."""
    found = clusters(rows, rule)
    of = {}
    for place in range(len(rows)):
        of.setdefault(found.name(place), []).append(place)
    return sorted(places for places in of.values() if len(places) > 1)


def grouped(rows, rule=NEAR):
    return clusters(rows, rule).of(rows, 0)


@settings(deadline=None)
@given(TEXTS)
def test_no_two_near_rows_are_on_different_sides(said):
    sides = split(grouped(texts(said)), 0.3, 0.3, seed=1)
    side = {row.where: name for name, rows in sides.items() for row in rows}
    rows = texts(said)
    assert all(side[one.where] == side[other.where] for one in rows for other in rows
               if jaccard(one.text, other.text) >= 0.8)


@settings(deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_which_side_a_row_is_on_does_not_depend_on_the_order_of_the_rows(said, random):
    rows = list(texts(said))
    before = {row.where: side for side, found in split(grouped(tuple(rows)), 0.3, 0.3, seed=1).items() for row in found}
    random.shuffle(rows)
    after = {row.where: side for side, found in split(grouped(tuple(rows)), 0.3, 0.3, seed=1).items() for row in found}
    assert before == after


def test_a_cluster_of_many_groups_is_held_out_no_more_often_than_one_group():
    rows, number = [], 0
    for cluster in range(400):
        for copy in range(12):
            words = [f"c{cluster}w{word}" for word in range(60)]
            words[copy * 5] = f"other{copy}"
            number += 1
            rows.append(Text(" ".join(words), f"a.txt:{number}", " ".join(words)))
    found = split(grouped(tuple(rows)), 0.0, 0.1, seed=0)
    held = len({row.group for row in found["test"]})
    assert len(together(tuple(rows))) == 400
    assert abs(held - 40) < 4 * (400 * 0.1 * 0.9) ** 0.5


def test_a_question_that_is_asked_again_in_nearly_the_same_words_is_of_one_cluster_whatever_the_answer():
    def pair(number, prompt, answer):
        return Pair(prompt, answer, f"a.jsonl:{number}", prompt)

    rows = (pair(1, LONG + " today", "It is forty two, as everybody knows who has read the book to its end."),
            pair(2, LONG, "No."), pair(3, "What is the capital of France?", "Paris."))
    assert together(rows) == [[0, 1]]
    turns = tuple(Conversation((Message("system", LONG), Message("user", f"{word}?"), Message("assistant", word)),
                               f"b.jsonl:{number}", f"{word}?") for number, word in enumerate(["one", "two"]))
    assert together(turns) == []  # a system prompt that all share makes no two rows alike


def test_questions_about_one_context_are_near_those_about_nearly_the_same_and_are_told_once():
    rows = tuple(Question(f"Who is number {number}?", context, (Answer("fox", 16),), f"a.json:{number}", context)
                 for number, context in enumerate([LONG, LONG, LONG + " again", "Another text altogether."]))
    assert together(rows) == [[0, 1, 2]]
    found = clusters(rows, Rule()).alike
    assert [(each.one.where, each.other.where) for each in found] == [("a.json:2", "a.json:0")]
    assert found[0].share == jaccard(LONG, LONG + " again")


def test_rows_that_share_an_author_or_a_document_are_of_one_cluster():
    values = [{"author": "ann", "document": 1}, {"author": "bob", "document": 1}, {"author": "bob", "document": 2},
              {"author": "eve", "document": 3}, {"author": "1"}]
    named = ("author", "document")
    rows = tuple(Text(f"text {number}", f"a.txt:{number}", groups.label(each, named))
                 for number, each in enumerate(values))
    assert together(rows, Rule(None, named)) == [[0, 1, 2]]
    assert groups.label({"author": ""}, named) is None
    assert groups.label({"author": " ann  b "}, ("author",)) == "ann b"
    assert json.loads(groups.label({"document": 7, "author": "x"}, named)) == {"author": "x", "document": "7"}


def test_short_commonplaces_join_no_groups_that_a_column_names():
    def by(author, said):
        return tuple(Labelled(each, ("a",), f"a.csv:{number}", f"{author}{number}") for number, each in enumerate(said))

    rows = by("x", ["yes, thank you", "Yes, thank you!", LONG, LONG + " indeed"])
    assert together(rows, Rule(columns=("author",))) == [[2, 3]]
    assert together(rows, Rule()) == [[0, 1], [2, 3]]
    assert together(rows, Rule(None)) == []


@settings(max_examples=30, deadline=None)
@given(TEXTS, st.sampled_from([0.6, 0.8, 1.0]))
def test_every_row_that_is_near_another_is_told_with_one(said, threshold):
    rows = texts(said)
    found = clusters(rows, Rule(threshold)).alike
    assert all(each.share >= threshold and each.share == jaccard(each.one.text, each.other.text) for each in found)
    late = {row.where for place, row in enumerate(rows)
            if any(jaccard(row.text, other.text) >= threshold for other in rows[:place])}
    assert {each.one.where for each in found} == late


def test_a_cluster_larger_than_half_of_a_side_is_a_warning_with_what_to_do():
    words = [f"word{number}" for number in range(80)]
    rows = tuple(Text(" ".join([*words, f"end{number}"]), f"a.txt:{number}", f"g{number}") for number in range(40))
    others = texts(f"text number {number} of its own" for number in range(100))
    told = groups.told(clusters((*rows, *others), NEAR), NEAR, 0.1)
    assert [(each.severity, each.kind) for each in told] == [("note", "data.near"), ("warning", "data.large_cluster")]
    assert "40 of 140 rows" in told[1].what and "data.near" in told[1].remedy
    assert groups.told(clusters(others, NEAR), NEAR, 0.1) == []


def test_a_leak_of_near_duplicates_is_told_as_one():
    train, test = texts([LONG, "something else"]), texts([LONG + " indeed", "something else"])
    rows = (*train, *(Text(each.text, each.where.replace("a.", "b."), each.group) for each in test))
    found = clusters(rows, Rule())
    sides = {"train": found.of(rows[:2], 0), "test": found.of(rows[2:], 2)}
    told = leaks(sides, "warning", found.own_groups())
    assert [each.what for each in told] == [
        "2 group(s) of the test side are in the train side too: b.txt:2 as a.txt:2; 1 as near-duplicates, "
        "b.txt:1 beside a.txt:1"]


def test_nothing_is_held_of_no_rows():
    found = clusters((), Rule())
    assert len(found.first) == 0 and not found.alike and isinstance(found.own, np.ndarray)


@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setattr(scratch, "AT_ONCE", 500)
    monkeypatch.setattr(scratch, "HELD_BYTES", 0)
    monkeypatch.setattr(scratch.Growing.__init__, "__kwdefaults__", {"held": 0})


class Endless(Sequence):
    """Rows that are made when they are asked for; every tenth is nearly the one before it."""

    def __init__(self, count):
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, place):
        again = range(self._count)[place] % 10 == 9
        said = " ".join(f"{letter}{place - again}" for letter in "abcdefghijkl") + " more" * again
        return Text(said, f"a.txt:{place}", said)


@pytest.mark.usefixtures("in_parts")
def test_clusters_are_the_same_in_parts_and_memory_does_not_grow_with_the_rows(monkeypatch):
    def peak(count):
        tracemalloc.start()
        found = clusters(Endless(count), Rule())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, most

    monkeypatch.setattr(shingling, "_WORDS_AT_ONCE", 1 << 12)
    monkeypatch.setattr(shingling, "_LETTERS_KEPT", 1 << 12)
    peak(1000)
    (few, least), (many, most) = peak(2_000), peak(8_000)
    assert most - least < 40 * 6_000  # bytes a row
    monkeypatch.undo()
    whole = clusters(Endless(8_000), Rule())
    assert (many.first == whole.first).all() and (many.own == whole.own).all() and len(many.alike) == len(whole.alike)
    assert (few.first[:1_900] == whole.first[:1_900]).all()
