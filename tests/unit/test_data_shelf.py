"""Examples on disk: what is read back is what was put there, in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tunesmith.data.digest import digest
from tunesmith.data.shelf import Picked, Shelf
from tunesmith.records import Answer, Call, Conversation, Labelled, Message, Pair, Question, Tagged, Text

WORDS = some.text(some.characters(exclude_categories=["Cs"]), max_size=20)
EXAMPLES = [
    Conversation((Message("user", "q"), Message("assistant", "", reasoning="hm", calls=(Call("f", {"a": [1]}, "7"),)),
                  Message("tool", "x", name="f", call="7"), Message("assistant", "a", train=False)), "a.json:1", "g",
                 tools=({"name": "f", "parameters": {"type": "object"}},)),
    Pair("p", "a", "a.tsv:2", "p", "mixed", ("a", "b"), "az"),
    Pair("p", "a", "a.tsv:3", "p"),
    Text("ə\u2028\x85\n", "t.txt:1", "t"),
    Labelled("t", ("x", "y"), "l.csv:1", "t", second="u"),
    Labelled("t", None, "l.csv:2", "t"),
    Labelled("t", (), "l.csv:3", "t"),
    Tagged(("a", "b"), ("O", "B-X"), "c.conll:4", "a b", text="a b", starts=(0, 2)),
    Tagged(("a",), None, "c.conll:7", "a"),
    Question("q", "c", (Answer("c", 0),), "s.json:1", "c", id="9"),
    Question("q", "c", (), "s.json:1", "c"),
    Question("q", "c", None, "s.json:1", "c"),
]


@pytest.mark.parametrize("held", [0, 30, 10**6])
def test_every_kind_of_example_is_read_back_as_it_was(held):
    shelf = Shelf(EXAMPLES, held=held)
    assert len(shelf) == len(EXAMPLES)
    assert list(shelf) == EXAMPLES
    assert [shelf[place] for place in range(-len(shelf), len(shelf))] == EXAMPLES * 2
    assert list(shelf[1:9:3]) == EXAMPLES[1:9:3] and list(shelf[::-1]) == EXAMPLES[::-1]
    assert digest(shelf) == digest(EXAMPLES)
    assert isinstance(shelf.whole(), tuple) == (held == 10**6)
    with pytest.raises(IndexError):
        shelf[len(EXAMPLES)]


@given(some.lists(some.tuples(WORDS, WORDS, WORDS)))
def test_any_text_comes_back(rows):
    examples = [Pair(prompt, answer, where, prompt) for prompt, answer, where in rows]
    assert list(Shelf(examples, held=0)) == examples


def test_a_shelf_that_is_read_may_still_grow():
    shelf = Shelf(EXAMPLES[:3], held=0)
    assert shelf[2] == EXAMPLES[2]
    shelf.extend(EXAMPLES[3:])
    assert list(shelf) == EXAMPLES


def test_what_lies_on_disk_does_not_fill_the_memory():
    def peak(rows: int) -> int:
        tracemalloc.start()
        shelf = Shelf((Text("word " * 200, f"a.txt:{row}", str(row)) for row in range(rows)), held=10**5)
        assert sum(1 for _ in shelf) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(4000), peak(8000)
    assert many - few < 4000 * 32, "a row that lies on disk costs a number in memory, not its 1,000 characters"


def test_some_of_a_sequence_are_handed_out_in_their_order_and_changed():
    shelf = Shelf(EXAMPLES[4:7], held=0)
    picked = Picked(shelf, np.array([2, 0]), lambda example, at: (at, example.where))
    assert list(picked) == [(2, "l.csv:3"), (0, "l.csv:1")] and list(picked[1:]) == [(0, "l.csv:1")]
    assert len(picked[:1]) == 1 and picked[-1] == (0, "l.csv:1")
