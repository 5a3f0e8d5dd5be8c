"""Rows that say what another row says, but for case, blanks and forms of Unicode: on one side, and across the sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ...contracts import Looking
from ...errors import SHOWN_IN_FULL
from ...reading.quoting import pairs
from ...recipe.kinds import STRICT
from ...records import Conversation, Example, Figure, Looked, Noticed, Side
from ...scratch import collected
from ._parts import learnt, mark, plain, spoken
from ._repeats import Places, every, in_order, repeats
from ._telling import Found, Severity, noticed, shown

Sides = Mapping[Side, Sequence[Example]]


class Settings(BaseModel):
    """How grave copies are."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""


def look(sides: Sides, settings: Settings, given: Looking) -> Looked:
    """Copies inside each side, held-out rows that an earlier side has, and bars of both."""
    marks = collected((_mark(example) for example in every(sides)), np.uint64)
    if len(marks) == 0:
        return Looked()
    places = Places(sides)
    starts = [0, *places.ends.tolist()]
    inside = np.concatenate([repeats(marks[start:end]) + start for start, end in pairwise(starts)])
    found = repeats(marks)
    across = found[places.sides(found[:, 1]) < places.sides(found[:, 0])]
    figure = Figure("Copies", "rows", {
        name: (_number(inside, number, places), _number(across, number, places))
        for number, (name, _) in enumerate(in_order(sides))},
        names=("of a row of the side", "of a row of an earlier side"))
    told = [*_told_inside(inside, places, settings), *_told_across(across, places, settings)]
    return Looked(tuple(told), (figure,) if len(found) else ())


def _number(copies: NDArray[np.int64], side: int, places: Places) -> float:
    """How many of them stand on a side."""
    return float(np.count_nonzero(places.sides(copies[:, 0]) == side))


def _mark(example: Example) -> int:
    """All that a row says, and all that is learnt of it."""
    texts = [text for role_and_text in spoken(example) for text in role_and_text]
    also = learnt(example) or ()
    known = () if isinstance(example, Conversation) else ("", *also)
    return mark(map(plain, (*texts, *known)))


def _told_inside(copies: NDArray[np.int64], places: Places, settings: Settings) -> Iterator[Noticed]:
    if not len(copies):
        return
    shown_first = [(places[one], places[other]) for one, other in copies[:SHOWN_IN_FULL].tolist()]
    what = f"{len(copies)} row(s) are copies of earlier ones of their side, but for case and blanks: " \
        f"{pairs([(one.where, other.where) for one, other in shown_first[:3]], 'of', len(copies))}"
    yield noticed(settings, "audit.copies", what, [shown(one) for one, _ in shown_first],
                  "take them out, unless they are meant to count more than once: `tunesmith clean DATA --output "
                  "CLEAN.jsonl --steps duplicates`", count=len(copies))


def _told_across(copies: NDArray[np.int64], places: Places, settings: Settings) -> Iterator[Noticed]:
    """Held-out rows whose group an earlier side has too are told as leaks, by their groups; these are the others."""
    found, first = Found(), list[tuple[str, str]]()
    for one, other in ((places[one], places[other]) for one, other in copies.tolist()):
        if one.group != other.group:
            found.add(one)
            first += [(one.where, other.where)] if len(first) < 3 else []
    if not found.count:
        return
    what = f"{found.count} held-out row(s) stand on an earlier side too, but for case and blanks, in other groups: " \
        f"{pairs(first, 'as', found.count)}"
    yield noticed(settings, "audit.copies_across", what, found.rows, "take them out of one of the "
                  "files, or put such rows into one group with `data.group`: what is measured there was learnt",
                  count=found.count)
