"""Rows that ask the same and learn something else: labels and tags that cannot both be right, answers that differ.

Inputs are the same where they differ in case and blanks alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...contracts import Looking
from ...errors import SHOWN_IN_FULL
from ...reading.numbers import is_number
from ...reading.quoting import pairs, quoted
from ...recipe.kinds import STRICT
from ...records import Conversation, Example, Labelled, Looked, Noticed, Pair, Question, Seen, Side, Tagged
from ...scratch import collected, ranges
from ._parts import asked, learnt, mark, plain
from ._repeats import Places, every
from ._telling import Severity, noticed, short

NONE, NAMED, SPAN, BRIEF, LONG = range(5)  # what a row learns: nothing, labels or tags, parts of a context, texts
ASKED = 120  # characters of what is asked that are shown, its last ones
OUTSIDE = "O"
FAR = 0.25  # of the range of labels that are numbers: what two may differ before they contradict each other
Group = NDArray[np.int64]
MARKS = np.dtype([("kind", np.uint8), ("asks", np.uint64), ("says", np.uint64)])
TOLD = {
    NAMED: ("audit.contradiction", "text(s) stand in several rows with different labels",
            "correct those that are wrong; `tunesmith preview --row FILE:LINE` shows each. Where both are right, give "
            "one row both: `task: {type: classify, kind: multi}`"),
    SPAN: ("audit.contradiction", "question(s) stand in several rows with answers that share nothing",
           "correct those that are wrong; `tunesmith preview --row FILE:LINE` shows each"),
    BRIEF: ("audit.answers_differ", "input(s) stand in several rows with different short answers",
            "correct those that are wrong, and leave them where several are right, as in translations; `tunesmith "
            "preview --row FILE:LINE` shows each"),
    LONG: ("audit.several_answers", "input(s) stand in several rows with different answers",
           "nothing where several are right: all are learnt. `data.group` keeps such rows on one side where their "
           "first turns differ"),
}


class Settings(BaseModel):
    """How grave it is that rows differ in what they learn alone."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave it is where labels, tags or answers in a context differ: `off`, `note`, `warning` or `error`.

    `off` leaves the whole check out.
    """

    answers: Severity = "note"
    """How grave it is where answers that are texts differ, of which several may be right: `off`, `note` and so on."""

    words: int = Field(default=5, ge=1, le=100)
    """Up to how many words an answer is short, 1 to 100: two different short ones are seldom both right."""


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding for each kind of what is learnt, with both rows of each contradiction."""
    numbers = _Numbers()
    marks = collected((_marks(example, settings.words, numbers) for example in every(sides)), MARKS)
    places = Places(sides)
    wanted = [NAMED, SPAN, *([BRIEF, LONG] if settings.answers != "off" else [])]
    return Looked(tuple(found for kind in wanted
                        for found in _told(kind, _groups(kind, marks), places, numbers.far, settings)))


@dataclass(slots=True)
class _Numbers:
    """The least and the greatest label that is a number, and whether any is no whole one, which tells a measure."""

    low: float = inf
    high: float = -inf
    measured: bool = False

    @property
    def far(self) -> float:
        """How far two labels are apart at most that do not contradict each other."""
        return (self.high - self.low) * FAR if self.measured else -1.0


def _marks(example: Example, words: int, numbers: _Numbers) -> tuple[int, int, int]:
    """What kind of thing a row learns, and what stands for what is asked and what is learnt."""
    number = _number(example)
    if number is not None:
        numbers.low, numbers.high = min(numbers.low, number), max(numbers.high, number)
        numbers.measured = numbers.measured or not number.is_integer()
    kind = _kind(example, words)
    if kind == NONE:
        return kind, 0, 0
    return kind, mark((example.source, *map(plain, asked(example)))), mark(_plainly(example))


def _kind(example: Example, words: int) -> int:
    said = learnt(example)
    if said is None:
        return NONE
    if isinstance(example, Labelled | Tagged):
        return NAMED
    if isinstance(example, Question):
        return SPAN
    if isinstance(example, Pair | Conversation):
        return BRIEF if all(len(text.split(None, words)) <= words for text in said) else LONG
    return NONE


def _number(example: Example) -> float | None:
    """The label, where it is one number."""
    if not isinstance(example, Labelled) or len(example.labels or ()) != 1:
        return None
    [label] = example.labels or ()
    return float(label) if is_number(label) else None


def _plainly(example: Example) -> tuple[str, ...]:
    """What is learnt, as it is compared."""
    return tuple(map(plain, learnt(example) or ()))


def _groups(kind: int, marks: NDArray[np.void]) -> list[Group]:
    """The rows of each input for which different things are learnt, in the order of their first rows."""
    groups: list[Group] = []
    asks, says = marks["asks"], marks["says"]
    for some in ranges(asks):
        rows = some[marks["kind"][some] == kind]
        if not len(rows):
            continue
        order = rows[np.argsort(asks[rows], kind="stable")]
        starts = np.flatnonzero(np.concatenate([[True], asks[order[1:]] != asks[order[:-1]]]))
        differ = np.maximum.reduceat(says[order], starts) != np.minimum.reduceat(says[order], starts)
        ends = np.append(starts[1:], len(order))
        groups += (order[start:end] for start, end in zip(starts[differ], ends[differ], strict=True))
    return sorted(groups, key=lambda group: int(group[0]))


def _told(
    kind: int, groups: Sequence[Group], places: Places, far: float, settings: Settings
) -> Iterator[Noticed]:
    rows, inputs, seen = 0, 0, list[Seen]()
    for group in groups:
        found = _parted(kind, group, places, far, several=len(seen) < SHOWN_IN_FULL)
        if found is not None:
            rows, inputs = rows + len(group), inputs + 1
            seen += [Seen(one.where, _said(one)) for one in found if len(seen) < SHOWN_IN_FULL]
    if not inputs:
        return
    name, what, remedy = TOLD[kind]
    such = pairs([(seen[0].where, seen[1].where)], "and", 1)
    yield noticed(settings, name, f"{inputs} {what} ({rows} rows), such as {such}", seen, remedy, count=rows,
                  severity=settings.answers if kind in (BRIEF, LONG) else None)


def _parted(
    kind: int, group: Group, places: Places, far: float, *, several: bool
) -> tuple[Example, ...] | None:
    """The first row and the first that differs from it; None where on a closer look none contradicts another."""
    if kind in (BRIEF, LONG) and not several:  # their marks differ, and that is all there is to see
        return ()
    rows = (places[int(place)] for place in group)
    first = next(rows)
    if kind == SPAN:
        return _shareless([first, *rows])
    number = _number(first)
    for other in rows:
        value = _number(other)
        near = number is not None and value is not None and abs(number - value) <= far
        if _plainly(first) != _plainly(other) and not near:
            return first, other
    return None


def _shareless(rows: Sequence[Example]) -> tuple[Example, ...] | None:
    """Questions of which no answer is shared by all, two of them."""
    answers = [set(_plainly(row)) for row in rows]
    if set.intersection(*answers):
        return None
    place = next((place for place, found in enumerate(answers) if answers[0].isdisjoint(found) and place), 1)
    return rows[0], rows[place]


def _said(example: Example) -> str:
    """What is asked, at its end, and what is learnt there."""
    if isinstance(example, Tagged):
        words = zip(example.words, example.tags or (), strict=True)
        return short(" ".join(word if tag == OUTSIDE else f"{word}[{tag}]" for word, tag in words))
    parts = (example.question,) if isinstance(example, Question) else asked(example)[-2:]
    asks = " ".join(" / ".join(part.replace("\0", ": ") for part in parts if part).split())
    says = ", ".join(quoted(text) for text in learnt(example) or ()) or "none"
    return short(f"{asks if len(asks) <= ASKED else '…' + asks[-ASKED:]} → {says}")
