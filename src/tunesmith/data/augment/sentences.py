"""Copies of rows with their sentences in another order, and rows made of two that have the same label.

Labels stay true where they are of the whole text and not of its course: what is told first or last decides some
stories, and a joined text has what both say. Two texts are joined only where they have the same labels, or the same
number. Texts in twos are not taken.

Source: the shuffle of Wei and Zou 2019 (EDA), by the sentence; joining two texts of one label is the simplest of the
mixtures that Guo, Mao and Zhang 2019, "Augmenting data with mixup for sentence classification", start from.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...recipe.kinds import STRICT
from ...records import Example, Labelled
from ..varied import itself
from ._drawing import drawn

takes: Final = (Labelled,)
learnt: Final = itself
# White space after an end, or after an end and what closes behind it; the end of a line; ends that need no white space
BORDER: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’»)\]])\s+|\s*\n\s*|(?<=[。！？])\s*")


class Settings(BaseModel):
    """How many rows are made, and how."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    ways: tuple[Literal["shuffle", "join"], ...] = Field(default=("shuffle", "join"), min_length=1)
    """What is drawn from: `shuffle` puts a row's sentences in another order, `join` another row behind it.

    A text of one sentence is joined where `join` is among them.
    """

    characters: int = Field(default=2000, ge=1)
    """The longest text that is made by `join`, in characters. Try what `training.max_length` holds, times three."""


def vary(
    examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask
) -> Iterator[tuple[int, Example | str]]:
    """Rows in another order, or joined with one of the same labels."""
    alike: dict[frozenset[str], list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        if isinstance(example, Labelled) and example.second is None:
            alike[frozenset(example.labels or ())].append(place)
    for index, example, chance in drawn(examples, settings.share, seed=seed):
        if not isinstance(example, Labelled):
            continue
        if example.second is not None:
            yield index, "it has two texts"
            continue
        made = None
        for way in chance.sample(settings.ways, len(settings.ways)):
            others = alike[frozenset(example.labels or ())]
            made = made or (_shuffled(example.text, chance) if way == "shuffle" else
                            _joined(example, [examples[chance.choice(others)] for _ in range(3)], settings.characters))
        yield index, replace(example, text=made) if made else "it has one sentence, or none that fits behind it"


def _shuffled(text: str, chance: random.Random) -> str | None:
    """The sentences in another order, and what stood between them where it stood; None where there is only one."""
    borders = [found for found in BORDER.finditer(text)
               if text[: found.start()].strip() and text[found.end() :].strip()]
    edges = [0, *(edge for found in borders for edge in found.span()), len(text)]
    parts = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if len(set(parts)) < 2:
        return None
    order = list(parts)
    while order == parts:
        chance.shuffle(order)
    between = [*(found[0] for found in borders), ""]
    return "".join(part + gap for part, gap in zip(order, between, strict=True))


def _joined(example: Labelled, others: Sequence[Example], most: int) -> str | None:
    """The text and behind it the first of the others that is another one and short enough; None where none is."""
    for other in others:
        if isinstance(other, Labelled) and other.text != example.text and len(example.text) + len(other.text) < most:
            return f"{example.text.rstrip()} {other.text.lstrip()}"
    return None
