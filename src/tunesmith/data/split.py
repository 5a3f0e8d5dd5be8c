"""Which side a row belongs to: by a hash of its group, so that it stays there whatever rows come or go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from ..errors import SHOWN_IN_FULL, Misuse
from ..reading.quoting import pairs
from ..records import SIDES, Example, Finding, Severity, Side


def split(
    examples: Iterable[Example], validation: float, test: float, *, seed: int
) -> dict[Side, Sequence[Example]]:
    """The examples of each side, in their order; a group is never parted.

    validation, test: shares of the groups, 0 to 1. A group's side depends on the seed, its own text and the shares
    alone, and changing one share moves no group between the two others. Raises Misuse where nothing is left to
    train on.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise Misuse("data.shares", f"the shares {validation} and {test} leave nothing to train on", "data.validation",
                     "set `data.validation` and `data.test` to shares that add up to less than 1")
    sides: dict[Side, list[Example]] = {side: [] for side in SIDES}
    for example in examples:
        sides[_side(example.group, validation, test, seed)].append(example)
    return {side: tuple(found) for side, found in sides.items()}


def _side(group: str, validation: float, test: float, seed: int) -> Side:
    """Test takes the lower end of the unit interval and validation the upper: neither's share moves the other."""
    digest = hashlib.sha256(f"{seed}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place >= 1 - validation else "train"


def empty_sides(sides: Mapping[Side, Sequence[Example]], validation: float, test: float) -> list[Finding]:
    """A finding for each side that was promised a share and got no row."""
    findings = []
    wanted: dict[Side, float] = {"train": 1 - validation - test, "validation": validation, "test": test}
    groups = len({example.group for side in sides.values() for example in side})
    for side in SIDES:
        if wanted[side] > 0 and not sides.get(side):
            findings.append(Finding(
                "error" if side == "train" else "warning", "data.empty_side",
                f"a share of {wanted[side]:g} of {groups} group(s) gives the {side} side no rows",
                f"data.{side}", "add rows, raise the share, set it to 0, or name a file for this side"))
    return findings


def apart(
    sides: Mapping[Side, Sequence[Example]], wanted: Literal["warn", "drop", "refuse"]
) -> tuple[dict[Side, Sequence[Example]], list[Finding]]:
    """The sides, and what is told of groups that stand on two of them.

    drop: rows of a group that an earlier side has are left out of the later one, in the order of `SIDES`.
    """
    if wanted != "drop":
        return dict(sides), leaks(sides, "error" if wanted == "refuse" else "warning")
    kept: dict[Side, Sequence[Example]] = {}
    findings: list[Finding] = []
    seen: dict[str, str] = {}
    for side in SIDES:
        shared = [example for example in sides.get(side, ()) if example.group in seen]
        kept[side] = tuple(example for example in sides.get(side, ()) if example.group not in seen)
        if shared:
            findings += _left_out(side, shared, kept[side], seen)
        for example in kept[side]:
            seen.setdefault(example.group, example.where)
    return kept, findings


def _left_out(
    side: Side, shared: Sequence[Example], kept: Sequence[Example], seen: Mapping[str, str]
) -> Iterator[Finding]:
    """The counts of what a side loses, and an error where it loses everything."""
    places = [(where, seen[group]) for group, where in {each.group: each.where for each in reversed(shared)}.items()]
    earlier = " or ".join(f"the {each} side" for each in SIDES[: SIDES.index(side)])
    yield Finding("note", "data.left_out", f"{len(shared)} of {len(shared) + len(kept)} rows of the {side} side are "
                  f"left out: their {len(places)} group(s) are in {earlier} too: "
                  f"{pairs(places[:-4:-1], 'as', len(places))}", places[-1][0])
    if not kept:
        yield Finding("error", "data.empty_side", f"every row of the {side} side stands in {earlier} too",
                      f"data.{side}", "name another file for this side, or a share such as 0.1")


def leaks(sides: Mapping[Side, Sequence[Example]], severity: Severity = "warning") -> list[Finding]:
    """A finding for each pair of sides that share groups: what is measured there was partly learnt."""
    groups = {side: {example.group: example.where for example in found} for side, found in sides.items()}
    findings = []
    for index, side in enumerate(SIDES):
        for other in SIDES[index + 1:]:
            shared = [group for group in groups.get(other, {}) if group in groups.get(side, {})]
            if shared:
                places = [(groups[other][group], groups[side][group]) for group in shared]
                findings.append(Finding(
                    severity, "data.leak", f"{len(shared)} group(s) of the {other} side are in the {side} side too: "
                    f"{pairs(places[:SHOWN_IN_FULL], 'as', len(places))}", places[0][0],
                    "take these rows out of one of the two files, or set `data.leaks` to `drop`"))
    return findings
