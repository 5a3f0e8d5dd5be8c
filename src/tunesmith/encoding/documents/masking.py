"""Texts with some of their tokens hidden: what is hidden, how, and the documents that ask for it.

Source: Devlin 2018 (arXiv:1810.04805), section 3.1, and its authors' `create_pretraining_data.py`: of the tokens chosen
80% are hidden behind the mask, 10% behind a token drawn at random, and 10% are seen as they are. The number of tokens
is fixed for each text, and whole words are taken together as long as they fit in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...errors import Refusal
from ...records import Document
from ..order import seed_for
from ..tokens.codec import Codec
from ..tokens.framing import Framed

PART: Final = "part"  # the token column that tells what of a text a token is
FRAME, BEGINS, GOES_ON = 0, 1, 2  # none of the text or not to be learnt; the first of a word; another of a word
HIDDEN, DRAWN = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class Masking:
    """How much is hidden, and behind what. mask: an id; others: (N,) the ids that a random token is drawn from."""

    share: float
    whole_words: bool
    mask: int
    others: NDArray[np.int64]

    @classmethod
    def by(cls, codec: Codec, *, share: float, whole_words: bool) -> Masking:
        """As a tokenizer can do it. Raises Refusal for one that has no mask."""
        if codec.mask is None:
            raise Refusal("base.no_mask", "the base's tokenizer has no token that hides another", "base.name",
                          "use an encoder such as `minilm-l6`, or `task: completion` for a model that writes text")
        control = np.fromiter(codec.control.values(), np.int64)
        return cls(share, whole_words, codec.mask, np.setdiff1d(np.arange(codec.vocabulary), control))

    def hide(self, document: Document, draw: np.random.Generator) -> Document:
        """The document with other tokens hidden; its targets are the tokens that stand there, wherever nothing is."""
        ids, weights = document.targets.copy(), np.zeros(len(document), np.float32)
        chosen = self._chosen(document.token_columns[PART], draw)
        fate = draw.random(len(chosen))
        drawn = self.others[draw.integers(len(self.others), size=len(chosen))]
        ids[chosen] = np.where(fate < HIDDEN, self.mask, np.where(fate < HIDDEN + DRAWN, drawn, ids[chosen]))
        weights[chosen] = 1.0
        return replace(document, ids=ids, weights=weights)

    def _chosen(self, part: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.int64]:
        """The places to learn, ascending: words in a random order, each if it still fits; at least one."""
        places = np.flatnonzero(part)
        if not len(places):
            return places
        begins = part[places] == BEGINS if self.whole_words else np.ones(len(places), np.bool_)
        begins[0] = True
        word = np.cumsum(begins) - 1
        sizes = np.bincount(word)
        room = max(1, round(self.share * len(places)))
        taken: list[int] = []
        for each in (order := draw.permutation(len(sizes)).tolist()):
            if sizes[each] <= room:
                taken.append(each)
                room -= int(sizes[each])
            if not room:
                break
        return places[np.isin(word, taken or order[:1])]


def documents(texts: Sequence[str], codec: Codec, masking: Masking) -> Iterator[list[Document]]:
    """Of each text its documents, no longer than `codec.longest`, with tokens hidden that only the text decides.

    A long text goes on in the next document, which begins with a word. Whatever the run, the same text is asked for the
    same tokens; for training others are hidden each time.
    """
    for text, framed in zip(texts, codec.frames.texts(texts), strict=True):
        draw = np.random.default_rng(seed_for(0, "mask", text))
        yield [masking.hide(document, draw) for document in _windows(text, framed, codec)]


def _windows(text: str, framed: Framed, codec: Codec) -> Iterator[Document]:
    """The text in frames of its own, parted between words where one is too long."""
    inside = np.flatnonzero(framed.text_of >= 0)
    before, after = np.arange(inside[0]), np.arange(inside[-1] + 1, len(framed))
    part = _parts(framed, codec)
    room, start = codec.longest - len(before) - len(after), 0
    while start < len(inside):
        stop = min(start + room, len(inside))
        while start < stop < len(inside) and part[inside[stop]] == GOES_ON and stop > start + room // 2:
            stop -= 1
        places = np.concatenate([before, inside[start:stop], after])
        first, last = int(framed.spans[inside[start], 0]), int(framed.spans[inside[stop - 1], 1])
        ends = np.clip(framed.spans[places, 1] - first, 0, last - first)
        ends[: len(before)], ends[len(places) - len(after) :] = 0, last - first
        yield Document(
            framed.ids[places], framed.ids[places], np.zeros(len(places), np.float32), 0, text[first:last],
            lambda ends=ends: ends, token_columns={PART: part[places]}, both_ways=True)  # type: ignore[misc]
        start = stop


def _parts(framed: Framed, codec: Codec) -> NDArray[np.uint8]:
    """(T,) what each token is; what the vocabulary cannot spell is not to be learnt."""
    inside = framed.text_of >= 0
    goes_on = np.concatenate([[False], framed.words[1:] == framed.words[:-1]])
    part = np.where(goes_on, GOES_ON, BEGINS).astype(np.uint8)
    part[~inside | np.isin(framed.ids, list(codec.control.values()))] = FRAME
    return part


def with_masks(texts: Sequence[str], codec: Codec) -> Iterator[list[Document]]:
    """Of each text its documents, in which the masks that stand in it are what is asked for."""
    for text, framed in zip(texts, codec.masked_frames.texts(texts), strict=True):
        yield [replace(document, weights=(document.ids == codec.mask).astype(np.float32))
               for document in _windows(text, framed, codec)]
