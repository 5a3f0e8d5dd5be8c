"""Which side a row belongs to: by a hash of its group, so that it stays there whatever rows come or go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import SHOWN_IN_FULL, Misuse
from ..reading.quoting import pairs
from ..records import SIDES, Example, Finding, Severity, Side
from ..scratch import collected, common, places
from .chance import place_of
from .groups import numbers
from .shelf import picked

NOTHING: Mapping[str, int] = MappingProxyType({})
Numbers = NDArray[np.uint64]


def split(
    examples: Sequence[Example], validation: float, test: float, *, seed: int
) -> dict[Side, Sequence[Example]]:
    """The examples of each side, in their order; a group is never parted.

    validation, test: shares of the groups, 0 to 1. A group's side depends on the seed, its own text and the shares
    alone, and changing one share moves no group between the two others. Raises Misuse where nothing is left to
    train on.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise Misuse("data.shares", f"the shares {validation} and {test} leave nothing to train on", "data.validation",
                     "set `data.validation` and `data.test` to shares that add up to less than 1")
    found = collected((SIDES.index(_side(example.group, validation, test, seed)) for example in examples), np.int8)
    return {side: picked(examples, np.flatnonzero(found == index)) for index, side in enumerate(SIDES)}


def _side(group: str, validation: float, test: float, seed: int) -> Side:
    """Test takes the lower end of the unit interval and validation the upper: neither's share moves the other."""
    place = place_of(seed, group)
    if place < test:
        return "test"
    return "validation" if place >= 1 - validation else "train"


def empty_sides(sides: Mapping[Side, Sequence[Example]], validation: float, test: float) -> list[Finding]:
    """A finding for each side that was promised a share and got no row."""
    findings = []
    wanted: dict[Side, float] = {"train": 1 - validation - test, "validation": validation, "test": test}
    for side in SIDES:
        if wanted[side] > 0 and not sides.get(side):
            groups = len({example.group for found in sides.values() for example in found})
            findings.append(Finding(
                "error" if side == "train" else "warning", "data.empty_side",
                f"a share of {wanted[side]:g} of {groups} group(s) gives the {side} side no rows",
                f"data.{side}", "add rows, raise the share, set it to 0, or name a file for this side"))
    return findings


Own = Mapping[str, int]  # by the place of a row whose cluster has several groups, the digest of its own one


def apart(
    sides: Mapping[Side, Sequence[Example]], wanted: Literal["warn", "drop", "refuse"], own: Own = NOTHING
) -> tuple[dict[Side, Sequence[Example]], list[Finding]]:
    """The sides, and what is told of groups that stand on two of them.

    drop: rows of a group that an earlier side has are left out of the later one, in the order of `SIDES`.
    """
    if wanted != "drop":
        return dict(sides), leaks(sides, "error" if wanted == "refuse" else "warning", own)
    kept: dict[Side, Sequence[Example]] = {}
    marks: dict[Side, Numbers] = {}
    findings: list[Finding] = []
    for side in SIDES:
        found = sides.get(side, ())
        kept[side], marks[side] = found, numbers(found)
        earlier = {other: common(marks[other], marks[side]) for other in SIDES[:SIDES.index(side)]}
        shared = np.unique(np.concatenate([*earlier.values(), marks[side][:0]]))
        if len(shared):
            here = np.isin(marks[side], shared)
            rows = _rows({other: kept[other] for other in earlier}, marks, shared)
            kept[side], marks[side] = picked(found, np.flatnonzero(~here)), marks[side][~here]
            out = [found[int(place)] for place in np.flatnonzero(here)]
            findings += _left_out(side, out, len(kept[side]), _places(out, rows, own))
    return kept, findings


def _rows(
    sides: Mapping[Side, Sequence[Example]], marks: Mapping[Side, Numbers], shared: Numbers
) -> dict[str, list[str]]:
    """Where the rows of some groups stand, by their groups."""
    found: dict[str, list[str]] = {}
    for side, examples in sides.items():
        for place in places(marks[side], lambda some: np.isin(some, shared)):
            found.setdefault(examples[int(place)].group, []).append(examples[int(place)].where)
    return found


def _left_out(side: Side, shared: Sequence[Example], kept: int, places: Sequence[_Same]) -> Iterator[Finding]:
    """The counts of what a side loses, and an error where it loses everything."""
    earlier = " or ".join(f"the {each} side" for each in SIDES[: SIDES.index(side)])
    yield Finding("note", "data.left_out", f"{len(shared)} of {len(shared) + kept} rows of the {side} side are left "
                  f"out: their {len(places)} group(s) are in {earlier} too{_shown(places)}", places[0].where)
    if not kept:
        yield Finding("error", "data.empty_side", f"every row of the {side} side stands in {earlier} too",
                      f"data.{side}", "name another file for this side, or a share such as 0.1")


def leaks(
    sides: Mapping[Side, Sequence[Example]], severity: Severity = "warning", own: Own = NOTHING
) -> list[Finding]:
    """A finding for each pair of sides that share groups: what is measured there was partly learnt."""
    marks = {side: numbers(sides.get(side, ())) for side in SIDES}
    findings = []
    for index, side in enumerate(SIDES):
        for other in SIDES[index + 1:]:
            shared = common(marks[side], marks[other])
            if len(shared):
                held = [sides[other][int(place)] for place in np.flatnonzero(np.isin(marks[other], shared))]
                same = _places(held, _rows({side: sides[side]}, marks, shared), own)
                findings.append(Finding(
                    severity, "data.leak", f"{len(shared)} group(s) of the {other} side are in the {side} side too"
                    f"{_shown(same)}", same[0].where,
                    "take these rows out of one of the two files, or set `data.leaks` to `drop`"))
    return findings


@dataclass(frozen=True, slots=True)
class _Same:
    """A row of one side and one of another that should not be on two; alike: they are only nearly the same."""

    where: str
    other: str
    alike: bool


def _places(held: Iterable[Example], rows: Mapping[str, Sequence[str]], own: Own) -> list[_Same]:
    """For each group that is held out and trained on too, its rows that show it best: the same ones where there are."""
    found: dict[str, _Same] = {}
    for example in held:
        known = found.get(example.group)
        if known is not None and not known.alike:
            continue
        mine = own.get(example.where)
        same = next((where for where in rows[example.group] if own.get(where) == mine), None)
        if same is not None:
            found[example.group] = _Same(example.where, same, alike=False)
        elif known is None:
            found[example.group] = _Same(example.where, rows[example.group][0], alike=True)
    return sorted(found.values(), key=lambda each: each.alike)


def _shown(places: Sequence[_Same]) -> str:
    """Some rows that are the same, and some that are near-duplicates, as the end of a sentence."""
    same, alike = ([(each.where, each.other) for each in places if each.alike is near] for near in (False, True))
    told = f": {pairs(same[:SHOWN_IN_FULL], 'as', len(same))}" if same else ""
    if alike:
        told += f"{';' if same else ':'} {len(alike)} as near-duplicates, {pairs(alike[:3], 'beside', len(alike))}"
    return told
