"""What can be told of a text without keeping it: how long it is, its language, its known words, its hashed pieces.

The pieces are words and every three letters of a word, each counted in one of 512 places by its CRC-32. Source:
Weinberger 2009, "Feature Hashing for Large Scale Multitask Learning".
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import Misuse
from ..text.language import language

PLACES: Final = 512  # for words, and as many for letters
WIDTH: Final = 2 * PLACES
BITS: Final = 1 << 20
READ: Final = 4000  # characters of a text whose words are looked at: more say little new, and cost a millisecond each
MOST: Final = 255
WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Features:
    """Of one text: its characters and words, its language ("" where it does not tell), its pieces.

    unknown: the share of its words that the training rows lack, 0 to 1; None where it has no word or nobody knows.
    hashed: 1,024 counts, each up to 255.
    """

    characters: int
    words: int
    language: str
    unknown: float | None
    hashed: bytes


class Known:
    """The words that training rows have, as a million bits: which words they were cannot be read from it."""

    def __init__(self, bits: NDArray[np.uint8] | None = None) -> None:
        self.bits = np.zeros(BITS // 8, np.uint8) if bits is None else bits

    @classmethod
    def of(cls, texts: Iterable[str]) -> Known:
        """The words of these texts."""
        known = cls()
        for text in texts:
            for word in words(text):
                place = _hash(word) % BITS
                known.bits[place >> 3] |= 1 << (place & 7)
        return known

    def has(self, word: str) -> bool:
        """Whether the word, or another with its hash, was there."""
        place = _hash(word) % BITS
        return bool(self.bits[place >> 3] >> (place & 7) & 1)


def features(text: str, known: Known | None = None) -> Features:
    """What is told of a text; known: the words of the training rows."""
    found = list(words(text))
    counts = np.zeros(WIDTH, np.int64)
    for word in found:
        counts[_hash(word) % PLACES] += 1
        framed = f" {word} "
        for place in range(len(framed) - 2):
            counts[PLACES + _hash(framed[place : place + 3]) % PLACES] += 1
    unknown = sum(not known.has(word) for word in found) / len(found) if known is not None and found else None
    return Features(len(text), len(found), spoken(text), unknown, np.minimum(counts, MOST).astype(np.uint8).tobytes())


def words(text: str) -> Iterator[str]:
    """The words of the beginning of a text, as a reader tells them apart: without case."""
    for match in WORD.finditer(unicodedata.normalize("NFKC", text[:READ]).casefold()):
        yield match[0]


def spoken(text: str) -> str:
    """The language of a text; "" where it does not tell, or nothing that could tell is installed."""
    return language(text).code if tells_languages() else ""


@cache
def tells_languages() -> bool:
    """Whether the package that tells languages is installed."""
    try:
        language("")  # undecided before the package is asked for
        from ..text.language import language_model

        language_model()
    except Misuse:
        return False
    return True


def _hash(piece: str) -> int:
    return zlib.crc32(piece.encode(errors="surrogatepass"))
