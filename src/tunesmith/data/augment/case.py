"""Copies of rows as they might have been typed: in lower case, in capitals, or with the first letters large."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from ...contracts import Ask
from ...recipe.kinds import STRICT
from ...records import Example, Labelled

takes = (Labelled,)
WAYS = {"lower": str.lower, "upper": str.upper, "title": str.title}


class Settings(BaseModel):
    """How many rows are copied, and into which cases."""

    model_config = STRICT

    share: float = Field(default=0.2, gt=0, le=10)
    """How many new rows are made for each training row: above 0, at most 10; 0.2 is one for every fifth."""

    ways: tuple[Literal["lower", "upper", "title"], ...] = ("lower", "upper")
    """The cases that are drawn from: `lower`, `upper`, `title`."""


def vary(examples: Sequence[Example], settings: Settings, *, seed: int, ask: Ask) -> Iterator[tuple[int, Example]]:
    """Copies of drawn rows in a drawn case; none of those that are in that case already."""
    drawing = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    for index, example in enumerate(examples):
        while isinstance(example, Labelled) and drawing.random() < settings.share:
            made = WAYS[drawing.choice(settings.ways)](example.text)
            if made != example.text:
                yield index, replace(example, text=made)
            break
