"""Copies of rows as they might have been typed: in lower case, in capitals, with large first letters, unpunctuated.

Labels stay true but where capitals or punctuation are what is told apart; a smiley stays as it is. Tags stay with their
words. Of a pair, a conversation or a question only what the model is given is varied.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...recipe.kinds import STRICT
from ...records import Conversation, Example, Labelled, Pair, Question, Tagged
from ..varied import itself
from . import _texts
from ._drawing import drawn
from ._texts import given, in_chunks, with_given

takes: Final = (Labelled, Tagged, Pair, Conversation, Question)
learnt: Final = itself
Way = Literal["lower", "upper", "title", "bare"]


class Settings(BaseModel):
    """How many rows are copied, and into which cases."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    ways: tuple[Way, ...] = Field(default=("lower", "upper"), min_length=1)
    """What is drawn from: `lower`, `upper`, `title` (large first letters), `bare` (no punctuation around words)."""

    dotted: bool | None = None
    """Whether İ is the capital of i and I that of ı, as in Turkish and Azerbaijani; null: told by the rows' letters."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """Copies of drawn rows in a drawn case; none of those that are in that case already."""
    dotted = settings.dotted if settings.dotted is not None else _texts.dotted(examples)
    ways = _ways(dotted=dotted)
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        way = chance.choice(settings.ways)
        old = given(example)
        new = [in_chunks(text, ways[way]) for text in old]
        yield index, with_given(example, new) if new != old else f"it is as `{way}` would have it"


def _ways(*, dotted: bool) -> Mapping[Way, Callable[[str], str]]:
    """What each way makes of a word."""
    return {"lower": partial(_lower, dotted=dotted), "upper": partial(_upper, dotted=dotted),
            "title": partial(_title, dotted=dotted), "bare": _bare}


def _lower(word: str, *, dotted: bool) -> str:
    # Python's own makes two characters of İ, which no reader of Turkish has ever typed
    return (word.replace("I", "ı") if dotted else word).replace("İ", "i").lower()


def _upper(word: str, *, dotted: bool) -> str:
    return (word.replace("i", "İ") if dotted else word).upper()


def _title(word: str, *, dotted: bool) -> str:
    first = next((place for place, letter in enumerate(word) if letter.isalpha()), len(word))
    return word[:first] + _upper(word[first : first + 1], dotted=dotted) + word[first + 1 :]


def _bare(word: str) -> str:
    """The word without punctuation around it; what is nothing but punctuation stays."""
    kept = [place for place, letter in enumerate(word) if not unicodedata.category(letter).startswith("P")]
    return word[kept[0] : kept[-1] + 1] if kept else word
