"""Rows out that are no text to learn from: without words, of symbols, or saying one thing over and over.

The measures are Gopher's (Rae 2021, arXiv:2112.11446, appendix A1.1), which were made for web pages of hundreds of
words. Rows to tune on are short, and a sum, a line of code or `Yes.` is a good answer: so measures that are shares are
taken of rows of twenty words or more alone, and some are looser; each option says how far from Gopher's it is. Words of
scripts that set no blanks between them (Chinese, Japanese, Thai, …) are their letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT

rewrites: Final = False
sees: Final[Literal["a row"]] = "a row"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_SYMBOL = re.compile(r"#|\.\.\.|…")
_ENOUGH_LINES, _GRAM = 4, 5


class Settings(BaseModel):
    """What a row needs to be kept; all its texts count together."""

    model_config = STRICT

    words: int = Field(default=1, ge=0, le=1_000_000)
    """The fewest words of a row that hold a letter or a digit: 0 to 1,000,000. Gopher's 50 is for pages; try 3."""

    most_words: int = Field(default=100_000, ge=1, le=1_000_000_000)
    """The most words of a row: 1 to 1,000,000,000. 100,000 as Gopher's: more is a book, or a file that was one cell."""

    judged_from: int = Field(default=20, ge=1, le=1_000_000)
    """The number of words from which the shares below are taken: 1 to 1,000,000. In fewer words each weighs too much.

    Try 50 where rows are lists or code.
    """

    symbols: float = Field(default=0.2, ge=0, le=100)
    """The most `#` and `…` for a word: 0 to 100. Gopher's is 0.1; posts with a few hashtags are still good rows."""

    letters: float = Field(default=0.3, ge=0, le=1)
    """The least share of words with a letter: 0 to 1. Gopher's is 0.8.

    From 0.6 on, sums and code that are right go too: 39 rows of GSM8K's 7,473, and 86 of 2,017 of Code Alpaca.
    """

    longest_word: float = Field(default=20.0, gt=0, le=100_000)
    """The most characters that words may have on average: up to 100,000. Gopher's is 10, of English.

    Azerbaijani and German words are longer, and 20 is what only encoded files and lists of links go over.
    """

    lines: float = Field(default=0.7, ge=0, le=1)
    """The largest share of lines that repeat an earlier one, in rows of four lines or more: 0 to 1.

    Gopher's is 0.3; verses and code repeat more.
    """

    repeated: float = Field(default=0.6, ge=0, le=1)
    """The largest share of words that stand in five words in a row which came earlier in it: 0 to 1.

    Gopher's is 0.15 for five words. From 0.3 down, good rows go that reckon in steps or take up their question: 60 of
    GSM8K's 7,473, none at 0.6.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each row kept, or dropped with what it was measured by."""
    def clean(texts: tuple[str, ...]) -> Cleaned:
        why = next(_faults("\n".join(texts), settings), "")
        return Cleaned(texts, why, dropped=bool(why))

    return clean


def _faults(text: str, settings: Settings) -> Iterator[str]:
    words = _WORD.findall(text)
    said = sum(1 for _ in islice(filter(_is_said, words), settings.words))
    if said < settings.words:
        yield f"{said} words, fewer than {settings.words}"
    if len(words) > settings.most_words:
        yield f"{len(words)} words, more than {settings.most_words}"
    if len(words) < settings.judged_from:
        return
    symbols = len(_SYMBOL.findall(text)) / len(words)
    if symbols > settings.symbols:
        yield f"{symbols:.2f} of `#` and `…` a word, more than {settings.symbols:g}"
    letters = sum(word.isalpha() or any(map(str.isalpha, word)) for word in words) / len(words)
    if letters < settings.letters:
        yield f"a share of {letters:.2f} of the words has letters, less than {settings.letters:g}"
    length = sum(map(len, words)) / len(words)
    if length > settings.longest_word:
        yield f"{length:.1f} characters a word, more than {settings.longest_word:g}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    again = 1 - len(set(lines)) / len(lines)
    if len(lines) >= _ENOUGH_LINES and again > settings.lines:
        yield f"a share of {again:.2f} of the lines repeats others, more than {settings.lines:g}"
    repeated = _repeated(words)
    if repeated > settings.repeated:
        yield f"a share of {repeated:.2f} of the words repeats five in a row, more than {settings.repeated:g}"


def _is_said(word: str) -> bool:
    return any(map(str.isalnum, word))


def _repeated(words: Sequence[str]) -> float:
    """The share of words that stand in a run of five which the row has had before."""
    grams = list(zip(*(words[shift:] for shift in range(_GRAM)), strict=False))
    if len(set(grams)) == len(grams):
        return 0.0
    seen = set[tuple[str, ...]]()
    again = [False] * len(words)
    for start, gram in enumerate(grams):
        if gram in seen:
            again[start:start + _GRAM] = [True] * _GRAM
        seen.add(gram)
    return sum(again) / len(words)
