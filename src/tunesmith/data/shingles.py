"""What a text is compared by: every three words that follow each other in it.

Letters and their case count as one where they look alike to a reader: NFKC, casefolded, and the four letters i of
Turkish and Azerbaijani as one, because capitals of them say nothing about the dot in other languages.
"""

from __future__ import annotations

import re
import unicodedata

WIDTH = 3
NOTHING = "\0"  # no word, as it stands in no match of `\w`
_WORD, _DOTS = re.compile(r"\w+"), str.maketrans({"ı": "i", "\u0307": ""})


def words(text: str) -> list[str]:
    """The words of a text as they are compared; of a text without any, the text itself, which is then no word."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_DOTS)
    return _WORD.findall(plain) or [NOTHING + " ".join(plain.split())]


def padded(text: str) -> list[str]:
    """The words of a text, at least three of them: the whole of a shorter one is its only shingle."""
    found = words(text)
    return found if len(found) >= WIDTH else found + [NOTHING] * (WIDTH - len(found))


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Every three words of a text that follow each other; of a shorter text, the whole."""
    found = padded(text)
    return frozenset(zip(*(found[place:] for place in range(WIDTH)), strict=False))


def jaccard(one: str, other: str) -> float:
    """How alike two texts are: the share of their shingles that both have."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)
