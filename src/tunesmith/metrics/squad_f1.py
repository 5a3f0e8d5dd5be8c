"""F1 of an answer's words, the best over all right answers, averaged over questions, as SQuAD's script computes it.

Rajpurkar et al. 2016 and 2018: words are compared as bags, in lower case, without ASCII punctuation and the English
articles. Every value equals that of the script of version 2.0, `compute_f1`: right answers in which nothing is left are
not counted, and where none is counted only "no answer" is right. The script of version 1.1 gives the same wherever
something is left of every right answer.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..records import Example, Prediction, Question
from .exact_match import combine as combine

higher_is_better: Final = True
needs: Final = "output"
unit: Final = "mean F1"

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


class Settings(BaseModel):
    """F1 of an answer's words; there is nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def words(text: str) -> list[str]:
    """The words of an answer as they are compared."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def right(example: Example) -> list[list[str]]:
    """The words of each right answer; of a question without one, those of no answer, which are none."""
    if not isinstance(example, Question):
        raise TypeError(f"answers are of questions, not of {type(example).__name__}")
    return [found for found in (words(answer.text) for answer in example.answers or ()) if found] or [[]]


def measure(prediction: Prediction, example: Example, settings: Settings) -> Sequence[float]:
    """One number, 0 to 1: the F1 against the right answer that is nearest."""
    said = words(prediction.output["answer"])
    return (max(_f1(said, gold) for gold in right(example)),)


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    common = (Counter(said) & Counter(gold)).total()
    precision, recall = common / len(said), common / len(gold)
    return 2 * precision * recall / (precision + recall) if common else 0.0
