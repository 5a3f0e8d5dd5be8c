"""What a model answers, held against the text that it was asked about: whether it can stand in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ...records import Example
from ..fields import normalised
from ._drawing import drawn
from ._texts import given, with_given

QUOTES: Final = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "‘": "’"}
CIRCLES = 3  # times that the same three words come
LONG = 200  # characters up to which a first line may be a word of introduction


def wanted(examples: Sequence[Example], share: float, *, seed: int) -> list[tuple[int, Example]]:
    """The rows that are drawn; a model that takes the likeliest token would say the same of one a second time."""
    return [(index, example) for index, example, _ in drawn(examples, share, seed=seed)]


def taken(
    rows: Sequence[tuple[int, Example]], answers: Sequence[str], apart: float
) -> Iterator[tuple[int, Example | str]]:
    """The rows with the answers in the places of their texts, or why an answer cannot stand there.

    answers: of all texts of all rows, in their order; apart: how many times as long as the text one may be.
    """
    left = iter(answers)
    for index, example in rows:
        old = given(example)
        new = [tidy(next(left), text) for text in old]
        wrong = [found for text, answer in zip(old, new, strict=True) if (found := _wrong(text, answer, apart))]
        if wrong or not old:
            yield index, wrong[0] if wrong else "it has no text to be asked about"
        else:
            yield index, with_given(example, new)


def tidy(answer: str, text: str) -> str:
    """The answer without a line that only introduces it, and without quotes around it, where the text has none."""
    answer = answer.strip()
    first, _, rest = answer.partition("\n")
    if rest.strip() and first.rstrip().endswith(":") and len(first) <= LONG and "\n" not in text:
        answer = rest.strip()
    if len(answer) > 1 and QUOTES.get(answer[0]) == answer[-1] and not text.strip().startswith(answer[0]):
        answer = answer[1:-1].strip()
    return answer


def _wrong(text: str, answer: str, apart: float) -> str:
    """Why an answer cannot stand for a text; "" where it can."""
    if not answer:
        return "the model gave no whole answer"
    if normalised(answer).casefold() == normalised(text).casefold():
        return "the answer says the same word for word"
    if _circles(answer) and not _circles(text):
        return "the answer goes in circles"
    if not 1 / apart <= len(answer) / max(1, len(text)) <= apart:
        return f"the answer is more than {apart:g} times as long, or as short"
    return ""


def _circles(text: str) -> bool:
    """Whether three words in a row come again and again, as where a greedy model cannot find an end."""
    words = text.casefold().split()
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    return bool(threes) and max(threes.values()) >= CIRCLES
