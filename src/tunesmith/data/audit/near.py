"""Rows that are nearly the same as others, by the shingles that both have (Jaccard index): how many, and how alike.

Source of the measure: Broder, On the resemblance and containment of documents (1997). Exact copies are told as copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from ...contracts import Looking
from ...errors import SHOWN_IN_FULL
from ...reading.quoting import pairs
from ...recipe.kinds import STRICT
from ...records import Alike, Example, Figure, Looked, Side
from ..texts import texts
from ._parts import mark, plain
from ._repeats import in_order
from ._telling import Severity, noticed, short, shown

BINS = 10
LOW = 0.8  # where the histogram begins, unless something is less alike
Key = tuple[str, int]


class Settings(BaseModel):
    """How grave it is that rows are nearly the same."""

    model_config = STRICT

    severity: Severity = "note"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding with the pairs that are most alike, and a histogram of how alike pairs are, by the later row's side."""
    side = _sides(sides, given.alike)
    found = [pair for pair in given.alike if _said(pair.one) != _said(pair.other)
             and {_key(pair.one), _key(pair.other)} <= side.keys()]
    if not found:
        return Looked()
    apart = sum(side[_key(pair.one)] != side[_key(pair.other)] for pair in found)
    most = sorted(found, key=lambda pair: (-pair.share, pair.one.where, pair.other.where))[:SHOWN_IN_FULL]
    least = min(pair.share for pair in found)
    what = f"{len(found)} row(s) say nearly what another says ({least:.0%} to {most[0].share:.0%} alike)" + (
        f", {apart} of them what a row of another side says" if apart else "") + ": " + \
        pairs([(pair.one.where, pair.other.where) for pair in most[:3]], "as", len(found))
    rows = [shown(pair.one, f"{pair.share:.0%} as {Path(pair.other.where).name}: {short(' / '.join(texts(pair.one)))}")
            for pair in most]
    remedy = "nothing, as they stay on one side of a split by `data.near`; to keep one of each: `tunesmith clean " \
        "DATA --output CLEAN.jsonl --steps duplicates`"
    return Looked((noticed(settings, "audit.near", what, rows, remedy, count=len(found)),),
                  (_figure(sides, side, found),))


def _said(example: Example) -> tuple[str, ...]:
    return tuple(map(plain, texts(example)))


def _key(example: Example) -> Key:
    return example.where, mark(texts(example))


def _sides(sides: Mapping[Side, Sequence[Example]], found: Sequence[Alike]) -> Mapping[Key, Side]:
    """On which side each row of the pairs stands; nothing of rows that are on none, as those that are only measured."""
    wanted = {example.where for pair in found for example in (pair.one, pair.other)}
    return dict(_found(sides, wanted))


def _found(sides: Mapping[Side, Sequence[Example]], wanted: set[str]) -> Iterator[tuple[Key, Side]]:
    for side, examples in in_order(sides):
        yield from ((_key(example), side) for example in examples if example.where in wanted)


def _figure(
    sides: Mapping[Side, Sequence[Example]], side: Mapping[Key, Side], found: Sequence[Alike]
) -> Figure:
    edges = np.linspace(min([LOW, *(pair.share for pair in found)]), 1, BINS + 1)
    places: Counter[tuple[Side, int]] = Counter(
        (side[_key(pair.one)], min(int(np.searchsorted(edges, pair.share, side="right")) - 1, BINS - 1))
        for pair in found)
    series: dict[str, tuple[float, ...]] = {
        name: tuple(float(places[name, place]) for place in range(BINS)) for name, _ in in_order(sides)}
    return Figure("Near-duplicates", "rows", series, edges=tuple(edges.tolist()), across="Jaccard index")
