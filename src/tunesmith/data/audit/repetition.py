"""Texts that say the same words over and over, and words that begin or end an unusual share of all texts.

Source: Rae et al., Scaling Language Models (Gopher), 2021, table A1: the share of a text's characters in n-grams of
words that stood in it before, n from 5 to 10; counted as RefinedWeb's tools do (datatrove, `gopher_repetition_filter`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, Field

from ...contracts import Looking
from ...reading.quoting import quoted
from ...recipe.kinds import STRICT
from ...records import Example, Looked, Noticed, Side
from ...text.personal import masked
from ._frequent import frequent
from ._parts import ANSWERS, plain, spoken
from ._repeats import every
from ._telling import Found, Severity, noticed

GRAMS = range(5, 11)  # words
SHORTEST = 20  # words that a text has at least before its repetitions say something
WORDS = 5  # of a beginning or an end
FEW = 10  # texts that share one at least
UNREAD = ("tools", "tool", "system", "developer")  # written by programs, or meant to be the same in every row
Edge = tuple[str, str]


class Settings(BaseModel):
    """How much repetition is told."""

    model_config = STRICT

    severity: Severity = "note"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    share: float = Field(default=0.3, gt=0.05, le=1)
    """The share of a text's characters in repeated runs of five words from which on it is told, above 0.05 to 1.

    Of runs of ten words it is 0.05 less, of those between in steps of 0.01. Gopher's is 0.15, of pages of the web: try
    it where texts are long. Raise it for verses, tables and code.
    """

    phrases: float = Field(default=0.1, gt=0, le=1)
    """The share of all answers or texts that may begin, or end, with the same five words, above 0 to 1; 1: any."""


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """Rows with a text that repeats itself, and the beginnings and ends that many texts share."""
    found, texts = Found(), 0
    for example in every(sides):
        repeated = next((text for text in _texts(example) if repeats(text, settings.share)), None)
        texts += 1
        if repeated is not None:
            found.add(example, repeated)
    told = [] if not found.count else [noticed(
        settings, "audit.repetition", f"{found.count} of {texts} rows have a text that says the same words over and "
        "over", found.rows, "take them out where they are no verses, tables or code: `tunesmith clean DATA --output "
        "CLEAN.jsonl --steps quality`", count=found.count)]
    return Looked((*told, *_phrases(sides, settings)))


def _texts(example: Example) -> Iterator[str]:
    return (text for role, text in spoken(example) if role not in UNREAD)


def repeats(text: str, share: float) -> bool:
    """Whether too much of a text stood in it before, in runs of 5 to 10 words. share: of runs of 5."""
    words = text.split()
    if len(words) < SHORTEST:
        return False
    again = sum(map(len, words)) - sum(map(len, set(words)))  # a repeated run is made of words that stood before
    if again <= _least(GRAMS[-1], share) * len(text):
        return False
    grams = list(zip(*(words[start:] for start in range(GRAMS[0])), strict=False))
    if len(set(grams)) == len(grams):  # a longer run that stands twice has one of five
        return False
    return any(repeated(words, size) > _least(size, share) * len(text) for size in GRAMS)


def _least(size: int, share: float) -> float:
    """The share that runs of so many words may have."""
    return share - (size - GRAMS[0]) / 100


def repeated(words: Sequence[str], size: int) -> int:
    """The characters of runs of so many words that stood there before, none counted twice."""
    seen: set[tuple[str, ...]] = set()
    place = characters = 0
    while place <= len(words) - size:
        gram = tuple(words[place : place + size])
        if gram in seen:
            characters += sum(map(len, gram))
            place += size
        else:
            seen.add(gram)
            place += 1
    return characters


def _phrases(sides: Mapping[Side, Sequence[Example]], settings: Settings) -> Iterator[Noticed]:
    """A finding for each end of texts, where one or several phrases are common there."""
    if settings.phrases == 1:
        return
    common, total = frequent(lambda: (edge for example in every(sides) for edge in _edges(example)),
                             settings.phrases / 2)
    for where in ("begin", "end"):
        phrases = Counter({phrase: count for (end, phrase), count in common.items()
                           if end == where and count >= max(FEW, settings.phrases * total / 2)})
        if phrases:
            yield _common(where, phrases, sides, total // 2, settings)


def _common(
    where: str, phrases: Counter[str], sides: Mapping[Side, Sequence[Example]], texts: int, settings: Settings
) -> Noticed:
    found = Found()
    for example in every(sides):
        if any(end == where and phrase in phrases for end, phrase in _edges(example)):
            found.add(example)
    most = sorted(phrases, key=lambda phrase: (-phrases[phrase], phrase))
    what = f"{sum(phrases.values())} of {texts} texts {where} with the same words: " \
        + ", ".join(f"{quoted(masked(phrase))} ({phrases[phrase]})" for phrase in most[:5])
    return noticed(settings, "audit.same_phrases", what, found.rows, "take headers and signatures out; where they "
                   "are meant, `data.audit: [{type: repetition, phrases: 1}]`", count=found.count)


def _edges(example: Example) -> Iterator[Edge]:
    """The first and the last words of each answer and text of more than five; a prompt's are meant to be the same."""
    for role, text in spoken(example):
        if role in ANSWERS or role == "text":
            words = text.split(None, WORDS)
            if len(words) > WORDS:
                yield "begin", plain(" ".join(words[:WORDS]))
                yield "end", plain(" ".join(text.rsplit(None, WORDS)[-WORDS:]))
