"""Copies of rows with words left out, or with neighbours in each other's places.

This can change what is true of a text: so negations and words like `but` (of seven languages, and what `keep` names)
are neither left out nor moved, and texts in twos are not taken, whose relation one word may change. Of tagged words
only those outside entities are left out, and an entity is moved whole, with its tags. Where a verb negates inside
itself, as in Azerbaijani and Turkish, it goes or stays whole; a copy without it can still say less than its label does:
try a small `words`, and let `tunesmith compare` tell whether it paid.

Source: Wei and Zou 2019, "EDA: easy data augmentation techniques for boosting performance on text classification".
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...recipe.kinds import STRICT
from ...records import Example, Labelled, Tagged
from .. import schemes
from ..schemes import Entity
from ..varied import itself
from ._drawing import drawn
from ._negations import turns_round
from ._texts import CHUNKS, gaps, of_words

takes: Final = (Labelled, Tagged)
learnt: Final = itself
Unit = tuple[int, ...]  # the places of words that stay together


class Settings(BaseModel):
    """How many rows are copied, and how many of their words are left out or moved."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    words: float = Field(default=0.1, gt=0, le=0.5)
    """The share of words that are left out or moved, above 0 to 0.5, on average; at least one is. Try 0.05 to 0.2."""

    ways: tuple[Literal["drop", "swap"], ...] = Field(default=("drop", "swap"), min_length=1)
    """What is done with a row's words, drawn from `drop` and `swap`, which changes places with the next word."""

    keep: tuple[str, ...] = ()
    """Words that stay beside the negations: those that a label may hang on, such as `[barely, təəssüf]`."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """Copies of drawn rows with other words in other places."""
    scheme = schemes.recognise(each.tags or () for each in examples if isinstance(each, Tagged))
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        if isinstance(example, Tagged):
            yield index, _tagged(example, scheme, settings, chance)
        elif isinstance(example, Labelled):
            yield index, _labelled(example, settings, chance)


def _labelled(example: Labelled, settings: Settings, chance: random.Random) -> Labelled | str:
    if example.second is not None:
        return "it has two texts, whose relation may hang on a word"
    found = list(CHUNKS.finditer(example.text))
    words = [each[0] for each in found]
    units = [(place,) for place in range(len(words))]
    order = _changed(units, [not turns_round(word, settings.keep) for word in words], settings, chance)
    if order is None:
        return "it has no word to spare"
    before = [example.text[start:each.start()] for start, each in zip(
        [0, *(each.end() for each in found)], found, strict=False)]
    text = "".join(gap + words[place] for (place,), gap in zip(order, _before(order, before, words), strict=True))
    return replace(example, text=text + example.text[found[-1].end() :])


def _before(order: Sequence[Unit], gaps: Sequence[str], words: Sequence[str]) -> list[str]:
    """What stands before each unit: what stood before its first word, but no two words run into one."""
    found, last = [gaps[0]], order[0][-1]
    for unit in order[1:]:
        gap = gaps[unit[0]] if unit[0] else gaps[order[0][0]]
        run_on = not gap and words[last][-1].isalnum() and words[unit[0]][0].isalnum()
        found.append(" " if run_on else gap)
        last = unit[-1]
    return found


def _tagged(example: Tagged, scheme: str, settings: Settings, chance: random.Random) -> Tagged | str:
    tags = example.tags or ()
    found = schemes.entities(tags, scheme)
    inside = {place for one in found for place in range(one.first, one.end)}
    units = sorted([*((place,) for place in range(len(example.words)) if place not in inside),
                    *(tuple(range(one.first, one.end)) for one in found)])
    free = [not any(turns_round(example.words[place], settings.keep) for place in unit) for unit in units]
    order = _changed(units, free, settings, chance, spare=[unit[0] not in inside for unit in units])
    if order is None:
        return "it has no word to spare"
    kinds = {one.first: one.type for one in found}
    moved, at = [], 0
    for unit in order:
        moved += [Entity(kinds[unit[0]], at, at + len(unit))] if unit[0] in kinds else []
        at += len(unit)
    places = list(chain.from_iterable(order))
    new = [tags[place] for place in places] if scheme == schemes.NONE else schemes.spelt(moved, at, scheme)
    if schemes.entities(new, scheme) != moved:
        return "two of its entities would run into one"
    spaces = gaps(example)
    before = chain.from_iterable([gap, *(spaces[place] for place in unit[1:])]
                                 for unit, gap in zip(order, _before(order, spaces[:-1], example.words), strict=True))
    return of_words(example, [example.words[place] for place in places], new, [*before, spaces[-1]])


def _changed(
    units: Sequence[Unit], free: Sequence[bool], settings: Settings, chance: random.Random, *,
    spare: Sequence[bool] | None = None,
) -> list[Unit] | None:
    """The units that are left, in their new order; None where nothing can be done.

    free: which may be left out or moved; spare: which of them may be left out.
    """
    many = max(1, sum(chance.random() < settings.words for unit in units for _ in unit))
    for way in chance.sample(settings.ways, len(settings.ways)):
        if way == "drop":
            may = [place for place in range(len(units)) if free[place] and (spare is None or spare[place])]
            gone = set(chance.sample(may, min(many, len(may), max(0, len(units) - 1))))
            order = [unit for place, unit in enumerate(units) if place not in gone]
        else:
            order = list(units)
            may = [place for place in range(len(units) - 1) if free[place] and free[place + 1]]
            for place in chance.sample(may, min(many, len(may))):
                order[place], order[place + 1] = order[place + 1], order[place]
        if order and order != list(units):
            return order
    return None
