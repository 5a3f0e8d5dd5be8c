"""What a text is compared by: every three words that follow each other in it, as numbers.

Words count as the same where they look alike to a reader: NFKC, casefolded, and the four letters i of Turkish and
Azerbaijani as one, because a capital of other languages says nothing about the dot. Chinese and Japanese have no blanks
between words: each character is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

WIDTH = 3
BITS = 48  # of a shingle's number; those above hold whose it is while many are sorted at once
NOTHING = "\0"  # no word, as it stands in no match
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+")
_PLACES = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_WORDS_AT_ONCE, _LETTERS_KEPT = 1 << 17, 1 << 21

Numbers = NDArray[np.uint64]


def words(text: str) -> list[str]:
    """The words of a text as they are compared; of a text without any, the text itself, which is then no word."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("ı", "i").replace("\u0307", "")
    return _WORD.findall(plain) or [NOTHING + " ".join(plain.split())]


@dataclass(frozen=True, slots=True)
class Shingled:
    """Some texts: the numbers of each one's shingles, each once and in order, after those of the text before it.

    values: (S,), 48 bits each; counts: (N,) how many each text has, at least one.
    """

    values: Numbers
    counts: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """(N,) where each text begins in `values`."""
        return np.cumsum(self.counts) - self.counts


def shingled(texts: Iterable[str]) -> Iterator[Shingled]:
    """The texts, as many at once as fill some megabytes. A text of fewer than three words has one shingle: the whole.

    Two shingles have the same number by chance once in 2^48 pairs of them.
    """
    for numbers, lengths in numbered(texts, least=WIDTH):
        yield _shingled(numbers, lengths)


def numbered(texts: Iterable[str], *, least: int = 1) -> Iterator[tuple[Numbers, NDArray[np.int64]]]:
    """(W,) a stable number for each word of some texts, one after the other, and (N,) how many words each text has.

    As many texts at once as fill some megabytes; shorter ones are filled up to `least` words by what is no word.
    """
    table, found, lengths = _Table(), list[str](), list[int]()
    for text in texts:
        here = words(text)
        here += [NOTHING] * (least - len(here))
        found += here
        lengths.append(len(here))
        if len(found) >= _WORDS_AT_ONCE or len(lengths) == 1 << (64 - BITS):
            yield table.numbers(found), np.array(lengths)
            found, lengths = [], []
    if lengths:
        yield table.numbers(found), np.array(lengths)


class _Table(dict[str, int]):
    """A stable number of 64 bits for each word; those seen are kept, and forgotten when they are too many."""

    def __init__(self) -> None:
        super().__init__()
        self._letters = 0

    def __missing__(self, word: str) -> int:
        self._letters += len(word) + 10
        number = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        self[word] = number
        return number

    def numbers(self, found: list[str]) -> Numbers:
        """(W,) the numbers of words."""
        if self._letters > _LETTERS_KEPT:
            self.clear()
            self._letters = 0
        return np.fromiter(map(self.__getitem__, found), np.uint64, len(found))


def _shingled(numbers: Numbers, lengths: NDArray[np.int64]) -> Shingled:
    """Whose a shingle is stands above its number, so that one sort orders all texts."""
    every = np.lib.stride_tricks.sliding_window_view(numbers, WIDTH)
    joined = mixed(every @ _PLACES)
    inside = np.ones(len(numbers), bool)
    for back in range(1, WIDTH):
        inside[np.cumsum(lengths) - back] = False
    whose = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths - WIDTH + 1)
    keys = np.sort(whose << np.uint64(BITS) | joined[inside[:len(joined)]] >> np.uint64(64 - BITS))
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    counts = np.bincount((keys >> np.uint64(BITS)).astype(np.int64), minlength=len(lengths))
    return Shingled(keys & np.uint64((1 << BITS) - 1), counts)


def mixed(numbers: Numbers) -> Numbers:
    """Each number made another by which its neighbours cannot be told (the finaliser of splitmix64)."""
    made = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    made = (made ^ made >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return made ^ made >> np.uint64(31)
