"""ROUGE-L of the generated answers: F1 of the longest common subsequence of words, averaged over rows.

Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries". On ASCII text every value equals
`rouge_score`'s `rougeL` without stemming. That package drops every letter beyond a to z; here a word is a run of
letters, digits and combining marks of any script, so that Azerbaijani, Turkish or Greek words stay whole. Scripts
that set no spaces between words count a whole run as one word. Of several references the one that gives the most
counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction
from . import _right
from .exact_match import combine as combine

higher_is_better: Final = True
needs: Final = "text"
unit: Final = "mean F1"


class Settings(BaseModel):
    """ROUGE-L of the answers; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def words(text: str) -> list[str]:
    """The words of a text in lower case, in NFC, everything else taken as a border."""
    lowered = unicodedata.normalize("NFC", text.lower())
    return "".join(letter if _in_word(letter) else " " for letter in lowered).split()


def _in_word(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words the longest common subsequence has.

    One pass over `second` with a bit for each word of `first`. Source: Hyyrö 2004, "Bit-parallel LCS-length
    computation revisited".
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(first) - row.bit_count()


def f1(common: int, answer: int, reference: int) -> float:
    """The F1 of what two texts share, from how much that is and how much each has."""
    if not common:
        return 0.0
    precision, recall = common / answer, common / reference
    return 2 * precision * recall / (precision + recall)


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number, 0 to 1: the F1 of this answer; 0 where either side has no words."""
    answer = words(prediction.text)
    references = (words(reference) for reference in _right.answers(prediction, example))
    return (max(f1(common_length(each, answer), len(answer), len(each)) for each in references),)
