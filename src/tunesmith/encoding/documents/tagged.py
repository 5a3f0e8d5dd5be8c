"""Tagged words to documents: words in pieces, and rows that are too long in windows that overlap.

Every word is learnt, and predicted, in one window only: the one in which most stands around it.

Letters: T tokens of all the row's words without the frame, W words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ...records import Document, Tagged
from ..tokens.codec import Codec
from ..tokens.framing import Framed
from .shift import NO_TARGET

FROM = "from"  # the document column (2,): the word that the document begins with, and its pieces that stood before


@dataclass(frozen=True, slots=True)
class Window:
    """A document with nothing learnt yet, and the words that are its own.

    own: the words; at: (own,) the row of the document at which each begins; ends: (own,) before which its pieces end.
    """

    document: Document
    own: NDArray[np.int64]
    at: NDArray[np.int64]
    ends: NDArray[np.int64]


def placed(row: Tagged) -> tuple[str, Sequence[int]]:
    """The text of a row and where each word begins in it: as it came, or the words with blanks between them."""
    return (row.text, row.starts) if row.starts else joined(row.words)


def joined(words: Sequence[str]) -> tuple[str, Sequence[int]]:
    """Words with blanks between them, and where each begins."""
    ends = accumulate((len(word) + 1 for word in words), initial=0)
    return " ".join(words), list(ends)[:-1]


def windows(rows: Sequence[Tagged], codec: Codec, overlap: int) -> Iterator[list[Window]]:
    """Of each row its windows, none where the tokenizer reads nothing of any of its words.

    overlap: tokens that two windows share, where there is room for as many.
    """
    for row, framed in zip(rows, codec.frames.of_words([row.words for row in rows]), strict=True):
        yield _windows(row, framed, codec.longest, overlap)


def _windows(row: Tagged, framed: Framed, longest: int, overlap: int) -> list[Window]:
    inside = np.flatnonzero(framed.words >= 0)
    if not len(inside):
        return []
    word_T = framed.words[inside]
    begins_T = np.append(True, word_T[1:] != word_T[:-1])
    frame = len(framed) - len(inside)
    spans = parts(begins_T, max(longest - frame, 1), overlap)
    firsts = np.flatnonzero(begins_T)
    owner = owners(firsts, spans)
    ends = np.append(firsts[1:], len(word_T))
    made = []
    for number, (start, end) in enumerate(spans):
        mine = owner == number
        before = int(inside[0])
        made.append(Window(
            _document(row, framed, inside[start:end], before), word_T[firsts[mine]],
            firsts[mine] - start + before, np.minimum(ends[mine], end) - start + before))
    return made


def parts(begins_T: NDArray[np.bool_], room: int, overlap: int) -> list[tuple[int, int]]:
    """Where windows of at most `room` tokens begin and end; a word is parted only where it fills more than one."""
    total, found, start = len(begins_T), [], 0
    shared = min(overlap, room // 2)
    while True:
        end = min(start + room, total)
        if end < total:
            end = _word_begins(begins_T, end, start + 1) or end
        found.append((start, end))
        if end == total:
            return found
        start = _word_begins(begins_T, end - shared, start + 1) or end


def _word_begins(begins_T: NDArray[np.bool_], at: int, least: int) -> int:
    """The last place from `least` to `at` at which a word begins, 0 where there is none."""
    before = np.flatnonzero(begins_T[least : at + 1])
    return least + int(before[-1]) if len(before) else 0


def owners(firsts_W: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(W,) for each word the window in which its first token has most around it, the earlier of two that are equal."""
    last = len(spans) - 1
    room = [
        np.where((firsts_W >= start) & (firsts_W < end), np.minimum(
            firsts_W - start if number else np.inf, end - 1 - firsts_W if number < last else np.inf), -1)
        for number, (start, end) in enumerate(spans)
    ]
    return np.asarray(np.argmax(np.stack(room), axis=0), np.int64)


def _document(row: Tagged, framed: Framed, taken: NDArray[np.int64], before: int) -> Document:
    """The tokens at the places that are taken, in the frame of the whole."""
    after = len(framed) - (int(np.flatnonzero(framed.words >= 0)[-1]) + 1)
    places = np.concatenate([np.arange(before), taken, np.arange(len(framed) - after, len(framed))])
    first, last = int(framed.words[taken[0]]), int(framed.words[taken[-1]])
    stood = int(taken[0] - np.flatnonzero(framed.words == first)[0])
    text, starts = joined(row.words[first : last + 1])

    def ends() -> NDArray[np.int64]:
        inside = [starts[word - first] + int(span[1])
                  for word, span in zip(framed.words[taken], framed.spans[taken], strict=True)]
        return np.asarray([*[0] * before, *inside, *[len(text)] * after], np.int64)

    return Document(
        framed.ids[places], np.full(len(places), NO_TARGET, np.int64), np.zeros(len(places), np.float32), 0, text,
        ends, document_columns={FROM: np.asarray([first, stood], np.int64)}, both_ways=True)
