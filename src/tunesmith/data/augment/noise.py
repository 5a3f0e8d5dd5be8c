"""Copies of rows with slips of the finger and of the eye: keys beside the right one, shapes confused, letters lost.

Labels stay true where they hang on what a text says and not on how it is spelt: leave this way out where spelling,
language or authorship is what is told apart. Digits are never changed, for a number may be the answer. Of a pair, a
conversation or a question only what the model is given is varied, never what it learns to say, and no context.

Source: Belinkov and Bisk 2018, "Synthetic and natural noise both break neural machine translation"; Rychalska et al.
2019, "Models in the wild: on corruption robustness of neural NLP systems".
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...recipe.kinds import STRICT
from ...records import Conversation, Example, Labelled, Pair, Question, Tagged
from ..varied import itself
from ._drawing import drawn
from ._keyboards import MARKS, PRINT, Layout, beside, layout_of
from ._texts import CHUNKS, MANY, given, in_chunks, with_given

takes: Final = (Labelled, Tagged, Pair, Conversation, Question)
learnt: Final = itself
Way = Literal["keyboard", "print", "marks", "drop", "double", "swap"]


class Settings(BaseModel):
    """How many rows are copied, and how many of their letters are wrong, in which ways."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    letters: float = Field(default=0.05, gt=0, le=1)
    """The share of letters that are changed, above 0 to 1; at least one is.

    0.02 is careless typing, 0.2 is hard to read.
    """

    ways: tuple[Way, ...] = Field(default=("keyboard", "print", "marks", "drop", "double", "swap"), min_length=1)
    """What happens to a letter, drawn from these: `keyboard`, `print`, `marks`, `drop`, `double`, `swap`.

    `keyboard` types the key beside it; `print` reads it as a shape that looks like it (`rn` for `m`, `1` for `l`), as
    from scans; `marks` leaves marks out (`e` for `ə`, `s` for `ş`); `swap` changes its place with the next letter.
    """

    layout: Layout | None = None
    """The keyboard: `us`, `tr`, `az`, `de`, `fr` or `ru`; null: told by the letters of the rows."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """Copies of drawn rows with some letters changed."""
    texts = islice(chain.from_iterable(map(given, examples)), MANY)
    layout = settings.layout or layout_of(texts)
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        old = given(example)
        new = _noisy(old, settings, layout, chance)
        yield index, with_given(example, new) if new != old else "it has no letter to change"


def _noisy(texts: Sequence[str], settings: Settings, layout: Layout, chance: random.Random) -> list[str]:
    """The texts with each letter changed by chance; where it met none, one that is drawn is changed."""
    new = [in_chunks(text, lambda chunk: _word(chunk, settings.letters, settings.ways, (layout, chance)))
           for text in texts]
    places = [place for place, text in enumerate(texts) if any(map(str.isalpha, text))]
    if new != list(texts) or not places:
        return new
    place = chance.choice(places)
    wanted = chance.choice([found for found in CHUNKS.finditer(texts[place]) if any(map(str.isalpha, found[0]))])
    changed = _word(wanted[0], 1.0, settings.ways, (layout, chance), most=1)
    new[place] = texts[place][: wanted.start()] + changed + texts[place][wanted.end() :]
    return new


def _word(
    chunk: str, share: float, ways: Sequence[Way], how: tuple[Layout, random.Random], *, most: int | None = None
) -> str:
    """The word with each letter changed by chance, and never lost whole; most: so many letters at most."""
    layout, chance = how
    made: list[str] = []
    place = changes = 0
    while place < len(chunk):
        wanted = chunk[place].isalpha() and changes != most and chance.random() < share
        change = _changed(chunk, place, (chance.sample(ways, len(ways)), layout), chance) if wanted else None
        new, taken = change or (chunk[place], 1)
        changes += change is not None
        made.append(new)
        place += taken
    return "".join(made) or chunk


def _changed(
    chunk: str, place: int, ways: tuple[Sequence[Way], Layout], chance: random.Random
) -> tuple[str, int] | None:
    """What stands in a letter's place by the first way that knows something, and of how many letters it does."""
    letter, after = chunk[place], chunk[place + 1 : place + 2]
    for way in ways[0]:
        if way == "keyboard" and letter in beside(ways[1]):
            return chance.choice(beside(ways[1])[letter]), 1
        if way == "print" and letter in PRINT:
            return chance.choice(PRINT[letter]), 1
        if way == "marks" and letter.translate(MARKS) != letter:
            return letter.translate(MARKS), 1
        if way == "drop" and len(chunk) > 1:
            return "", 1
        if way == "double":
            return letter * 2, 1
        if way == "swap" and after.isalpha() and after != letter:
            return after + letter, 2
    return None
