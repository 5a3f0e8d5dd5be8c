"""Texts as a network that reads both ways is given them: one, or a pair, between the tokenizer's own marks.

The marks are what the tokenizer's post-processor writes (`[CLS]`, `[SEP]`, `<s>`), as transformers' tokenizer has it.
Control tokens that stand in a text are text: they are spelt out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

NOBODY_TYPES = "\U0010fffd"  # a character of private use


@dataclass(frozen=True, slots=True)
class Framed:
    """One text, or two, encoded. Letter: T tokens.

    ids, segments: (T,) int64, segments as the network's token types; text_of: (T,) which of the texts a token is of,
    -1 for the frame's own; spans: (T, 2) the characters of that text, or of that word where words were given; words:
    (T,) the index of the word, -1 for the frame's own.
    """

    ids: NDArray[np.int64]
    segments: NDArray[np.int64]
    text_of: NDArray[np.int64]
    spans: NDArray[np.int64]
    words: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


class Frames:
    """Frames texts by a tokenizer, given as the JSON of its state. meant: control tokens that are none of the text."""

    def __init__(self, state: str, *, meant: Collection[str] = ()) -> None:
        self._tokenizer = Tokenizer.from_str(spelt(state, meant))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokenizer(self) -> Tokenizer:
        """One like it, which may be set to cut."""
        return Tokenizer.from_str(self._tokenizer.to_str())

    def texts(self, texts: Sequence[str | tuple[str, str]]) -> list[Framed]:
        """Each text, or pair of texts, framed; computed on every core."""
        return [_framed(each) for each in self._tokenizer.encode_batch(list(texts))]

    def of_words(self, rows: Sequence[Sequence[str]]) -> list[Framed]:
        """Each row of words framed as one text, every word encoded as if a blank stood before it."""
        return [_framed(each) for each in self._tokenizer.encode_batch(list(map(list, rows)), is_pretokenized=True)]


def spelt(state: str, meant: Collection[str] = ()) -> str:
    """A tokenizer's state, in JSON, to which control tokens are text like any other, but for those that are meant.

    A tokenizer of SentencePiece's unigram kind has them among its pieces, at a score that no other reaches: there they
    get names that nobody types.
    """
    told = json.loads(state)
    kept = [token for token in told["added_tokens"] if token["content"] in meant]
    control = {token["content"] for token in told["added_tokens"] if token["special"]} - set(meant)
    if told["model"]["type"] == "Unigram":
        told["model"]["vocab"] = [[f"{NOBODY_TYPES}{place}" if piece in control else piece, score]
                                  for place, (piece, score) in enumerate(told["model"]["vocab"])]
    return json.dumps({**told, "added_tokens": kept})


def _framed(found: Encoding) -> Framed:
    of = [-1 if text is None else text for text in found.sequence_ids]
    words = [-1 if word is None else word for word in found.word_ids]
    return Framed(np.asarray(found.ids, np.int64), np.asarray(found.type_ids, np.int64), np.asarray(of, np.int64),
                  np.asarray(found.offsets, np.int64).reshape(-1, 2), np.asarray(words, np.int64))
