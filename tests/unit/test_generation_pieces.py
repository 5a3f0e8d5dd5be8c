"""Pieces of text from tokens, with every kind of tokenizer; and stop texts, against a search in the whole text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny import tiny_letters, tiny_pieces, tiny_tokenizer
from tunesmith.generation.pieces import Pieces

TEXT = "two  spaces, naïve — “quoted” gecə şəhər 日本語 a🙂b🏳️‍🌈\n\n don't. The capital of France is Paris. 2013 "


class Reader:
    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.decoded = 0

    def decode(self, ids: Sequence[int]) -> str:
        self.decoded += len(ids)
        return str(self.tokenizer.decode(list(ids)))


KINDS = {"bytes": tiny_tokenizer, "words": tiny_pieces, "letters": tiny_letters}


def told(reader: Reader, ids: Sequence[int], stops: Sequence[str] = ()) -> tuple[list[str], str | None]:
    pieces = Pieces(reader, stops)
    found = []
    for token in ids:
        found.append(pieces.add(token))
        if pieces.stopped is not None:
            break
    return [*found, pieces.rest()], pieces.stopped


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_joined_are_the_text_however_long_it_is(kind):
    reader = Reader(KINDS[kind]())
    ids = reader.tokenizer(TEXT * 6, add_special_tokens=False)["input_ids"]
    found, _ = told(reader, ids)
    assert "".join(found) == reader.decode(ids)
    assert not any("\ufffd" in piece for piece in found)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_pieces_of_any_tokens_joined_are_their_text(kind, data):
    reader = Reader(KINDS[kind]())
    ids = data.draw(st.lists(st.integers(3, 60), max_size=220)) if kind != "bytes" else data.draw(
        st.lists(st.integers(3, len(tiny_tokenizer()) - 1), max_size=220))
    assert "".join(told(reader, ids)[0]) == reader.decode(ids)


def test_each_token_of_a_long_answer_costs_as_much_as_the_first_ones():
    reader = Reader(tiny_tokenizer())
    ids = reader.tokenizer(TEXT * 40, add_special_tokens=False)["input_ids"]
    told(reader, ids)
    assert reader.decoded < 100 * len(ids)


class Letters:
    """A token is a character."""

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


@settings(max_examples=300, deadline=None)
@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_nothing_from_the_first_stop_text_on_is_told(text, stops):
    found, stopped = told(Letters(), list(map(ord, text)), stops)
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    if not ends:
        assert (stopped, "".join(found)) == (None, text)
        return
    begun = [text[: ends[0]].index(stop) for stop in stops if stop in text[: ends[0]]]
    assert "".join(found) == text[: min(begun)]
    assert stopped in stops


def test_what_could_become_a_stop_text_is_held_back_until_it_cannot():
    pieces = Pieces(Letters(), ["\nUser:"])
    assert [pieces.add(ord(letter)) for letter in "a\nUsb"] == ["a", "", "", "", "\nUsb"]
    assert [pieces.add(ord(letter)) for letter in "\nUs"] == ["", "", ""]
    assert (pieces.rest(), pieces.stopped) == ("\nUs", None)


def test_after_a_stop_text_nothing_more_is_told():
    pieces = Pieces(Letters(), ["END"])
    assert pieces.add(*map(ord, "so END of")) == "so "
    assert (pieces.add(ord("x")), pieces.rest(), pieces.stopped) == ("", "", "END")
