"""How many rows and tokens each source and each role has, how long rows are, and what cutting them would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice

import numpy as np
from pydantic import BaseModel, Field

from ...contracts import Looking
from ...recipe.kinds import STRICT
from ...records import Example, Figure, Looked, Noticed, Question, Side
from ._drawing import bars, histogram
from ._parts import ANSWERS, mark, spoken
from ._telling import LONGEST, Found, Severity, noticed

TOGETHER = 64  # rows whose tokens are counted at once
APART = ("seq2seq", "embed")  # tasks by which the texts of a row are documents of their own
UNSHOWN = ("system", "developer", "tools")
TRIED = 32  # rows that are encoded whole, to see what a template adds
Sides = Mapping[Side, Sequence[Example]]


class Settings(BaseModel):
    """Of how many rows tokens are counted."""

    model_config = STRICT

    severity: Severity = "note"
    """How grave it is where rows are longer than `training.max_length`: `off`, `note`, `warning` or `error`."""

    rows: int = Field(default=500, ge=10, le=1_000_000_000)
    """Of about how many rows of each side tokens are counted, from 10; those of the others are reckoned from these.

    Drawn by what stands in the rows, so that their order does not matter. A larger number takes longer.
    """


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a template adds to the texts of a row: so many tokens, and so many for each text."""

    row: float = 0.0
    text: float = 0.0


@dataclass(slots=True)
class _Counted:
    """What is counted of one side; every: how many rows stand for one whose tokens are counted."""

    every: int
    sources: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    lost: int = 0
    lost_answers: int = 0
    long: Found = field(default_factory=Found)

    @property
    def answers(self) -> int:
        """The tokens of answers."""
        return sum(self.roles[role] for role in ANSWERS)


def look(sides: Sides, settings: Settings, given: Looking) -> Looked:
    """Bars of rows and tokens, a histogram of lengths, and what is lost of rows longer than the limit."""
    counted: dict[Side, _Counted] = {}
    frame = _frame(sides, given)
    for side, examples in sides.items():
        counted[side] = found = _Counted(-(-len(examples) // settings.rows) or 1)
        drawn = _drawn(examples, found)
        while together := list(islice(drawn, TOGETHER)):
            _count(together, found, given, frame)
    if not any(found.lengths for found in counted.values()):
        return Looked()
    return Looked(tuple(_told(sides, counted, given, settings)), tuple(_figures(counted, given)))


def _mark(example: Example) -> int:
    return mark(text for _, text in spoken(example))


def _frame(sides: Sides, given: Looking) -> _Frame:
    """By the least squares, from some rows that are encoded whole."""
    if given.whole is None or given.task in APART:
        return _Frame()
    examples = [example for example in nsmallest(TRIED, sides.get("train", ()), key=_mark)
                if not isinstance(example, Question)]
    if not examples:
        return _Frame()
    spans = [[text for _, text in spoken(example)] for example in examples]
    numbers = iter(given.count([text for each in spans for text in each]).tolist())
    added = given.whole(examples) - np.array([sum(next(numbers) for _ in each) for each in spans])
    known = np.array([(1.0, len(each)) for each in spans])
    row, text = np.linalg.lstsq(known, added.astype(np.float64), rcond=None)[0].tolist()
    return _Frame(row, text)


def _drawn(examples: Sequence[Example], found: _Counted) -> Iterator[Example]:
    """The rows whose tokens are counted; of all of them the source is."""
    for example in examples:
        found.sources[example.source or example.where.rpartition(":")[0].rpartition("/")[2]] += 1
        if found.every == 1 or _mark(example) % found.every == 0:
            yield example


def _count(examples: Sequence[Example], found: _Counted, given: Looking, frame: _Frame) -> None:
    spans = [list(spoken(example)) for example in examples]
    tokens = iter(given.count([text for each in spans for _, text in each]).tolist())
    for example, each in zip(examples, spans, strict=True):
        parts = [(role, int(next(tokens))) for role, _ in each]
        for role, number in parts:
            found.roles[role] += number
        together = given.task not in APART
        texts = (sum if together else max)(number for _, number in parts)
        length = max(0, round(texts + frame.row + frame.text * len(parts)))
        found.lengths.append(length)
        if length > given.longest and not isinstance(example, Question):  # a context is read in windows
            found.long.add(example, f"{length} tokens: {_beginning(each)}")
            found.lost += (length - given.longest) * together
            before = frame.row
            for role, number in parts:
                before += frame.text
                lost = min(number, max(0, round(before) + number - given.longest))
                found.lost += lost * (not together)
                found.lost_answers += lost * (role in ANSWERS)
                before += number * together


def _beginning(texts: Sequence[tuple[str, str]]) -> str:
    """What a row says first, beside what it may share with all."""
    return next((text[:LONGEST] for role, text in texts if role not in UNSHOWN), "")


def _told(
    sides: Sides, counted: Mapping[Side, _Counted], given: Looking, settings: Settings
) -> Iterator[Noticed]:
    """What cutting costs, or would cost."""
    long = sum(found.long.count * found.every for found in counted.values())
    if not long:
        return
    rows = sum(map(len, sides.values()))
    lost, whole, answers, all_answers = (
        sum(one * found.every for one, found in zip(each, counted.values(), strict=True)) for each in (
            [found.lost for found in counted.values()], [sum(found.lengths) for found in counted.values()],
            [found.lost_answers for found in counted.values()], [found.answers for found in counted.values()]))
    told = f", {answers / all_answers:.1%} of those of the answers" if all_answers else ""
    most = max(max(found.lengths, default=0) for found in counted.values())
    yield noticed(
        settings, "audit.long_rows", f"about {long:,} of {rows:,} rows are longer than `training.max_length` "
        f"({given.longest}): cut there, they lose {lost:,} tokens, {lost / whole:.1%} of all{told}",
        [row for found in counted.values() for row in found.long.rows],
        f"set `training.max_length` to more (up to about {most}), or say in `data.too_long` what becomes of such rows: "
        "`split` loses nothing of texts and conversations", count=long)


def _figures(counted: Mapping[Side, _Counted], given: Looking) -> Iterator[Figure]:
    if len({source for found in counted.values() for source in found.sources}) > 1:
        yield bars("Rows by source", "rows", {side: found.sources for side, found in counted.items()})
    yield bars("Tokens by role", "tokens", {
        side: Counter({role: number * found.every for role, number in found.roles.items()})
        for side, found in counted.items()})
    figure = histogram(
        "Lengths", "rows", {side: np.array(found.lengths, np.float64) for side, found in counted.items()},
        across="tokens", marks={"training.max_length": float(given.longest)})
    series: dict[str, tuple[float, ...]] = {
        side: tuple(number * counted[side].every for number in figure.series[side]) for side in counted}
    yield Figure(figure.title, figure.unit, series, edges=figure.edges, across=figure.across, marks=figure.marks)
