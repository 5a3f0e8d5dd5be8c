"""Which rows of a window are most worth labelling: badly rated, unlike the reference, or unsure; no two nearly alike.

Three lists, the best of each in turn: a list alone would fill the file with rows of one kind. Source: Settles 2009,
"Active Learning Literature Survey", of uncertainty and of density.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..text.near import clusters
from .log import Judgement
from .rows import Floats, Rows
from .window import Entry, Window

SURE: Final = 0.9  # of a probability, from which on a row is not called uncertain
ALIKE: Final = 0.8  # of shingles, from which on two rows are one
STRANGE: Final = 0.95  # the share of the reference's own rows that are less strange


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row that is worth labelling: its place among the window's entries, and why."""

    entry: int
    why: tuple[str, ...]


def harvest(reference: Rows, window: Window, rows: int) -> list[Chosen]:
    """At most so many rows, those most worth labelling first; none that has no text, failed, or repeats another."""
    places = [place for place in window.answered if (window.entries[place].asked or "").strip()]
    if not places:
        return []
    entries = [window.entries[place] for place in places]
    at = {place: number for number, place in enumerate(window.answered)}
    strange = strangeness(reference, window.rows.take([at[place] for place in places]))
    first = clusters([entry.asked or "" for entry in entries], threshold=ALIKE)
    bad = [number for number, entry in enumerate(entries) if entry.bad]
    drifted = [number for number in np.argsort(-strange, kind="stable").tolist() if strange[number] > STRANGE]
    doubts = [1.0 if entry.confidence is None else entry.confidence for entry in entries]
    unsure = [number for number in np.argsort(doubts, kind="stable").tolist() if doubts[number] < SURE]
    chosen: list[Chosen] = []
    taken: set[int] = set()
    for number in _in_turn([bad, drifted, unsure]):
        if int(first[number]) in taken or len(chosen) >= rows:
            continue
        taken.add(int(first[number]))
        chosen.append(Chosen(places[number], _why(entries[number], float(strange[number]), doubts[number])))
    return chosen


def _why(entry: Entry, strange: float, doubt: float) -> tuple[str, ...]:
    why = [f"badly rated ({_judged(entry)})"] if entry.bad else []
    why += [f"unlike the reference (stranger than {strange:.1%} of it)"] if strange > STRANGE else []
    why += [f"unsure ({doubt:.2f})"] if doubt < SURE else []
    return tuple(why)


def _judged(entry: Entry) -> str:
    said = entry.judgement or Judgement()
    return f"{said.rating} of 5" if said.rating is not None else "corrected" if said.correction else "not good"


def strangeness(reference: Rows, rows: Rows) -> Floats:
    """(N,) which share of the reference's own rows is nearer to its nearest other row than this one is: 0 to 1."""
    known = reference.vectors()
    inside = known @ known.T
    np.fill_diagonal(inside, -np.inf)
    usual = np.sort(1 - inside.max(1)) if len(known) > 1 else np.zeros(1)
    nearest = 1 - (rows.vectors() @ known.T).max(1) if len(known) else np.ones(len(rows))
    return np.asarray(np.searchsorted(usual, nearest) / len(usual), np.float64)


def _in_turn(lists: Sequence[Sequence[int]]) -> Iterator[int]:
    """The next best of each list in turn, none twice."""
    seen: set[int] = set()
    left = [iter(each) for each in lists]
    while left:
        for each in list(left):
            number = next((one for one in each if one not in seen), None)
            if number is None:
                left.remove(each)
            else:
                seen.add(number)
                yield number
