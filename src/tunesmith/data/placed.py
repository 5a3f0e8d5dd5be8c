"""The side of each group, where groups are not only drawn: known ones keep theirs, those near them join them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .. import scratch
from ..reading.quoting import pairs
from ..records import SIDES, Example, Finding, Side
from . import groups, strata
from .chance import place_of
from .groups import Clusters
from .shelf import picked
from .times import Cuts, Times

ASIDE = len(SIDES)  # on no side
UNDECIDED = strata.UNDECIDED
MOST = 2000  # rows of a cluster whose pairs are looked at one by one

Sides = NDArray[np.int8]


@dataclass(frozen=True)
class Wanted:
    """How the rows of a file are divided.

    shares: of `validation` and `test`; seed: of what is drawn; times: (N,) of the rows, and from when on they are held
    out; stratify: each label by itself; known: the sides of groups, by their digests.
    """

    shares: Mapping[str, float]
    seed: int
    times: Times | None = None
    cuts: Cuts = field(default_factory=Cuts)
    stratify: bool = False
    known: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Placed:
    """sides: (N,) of each row its side's place in `SIDES`, or `ASIDE`; by_group: (N,) what is remembered of its group.

    clusters: with the names of those that had to be parted; set_aside: rows that are on no side.
    """

    sides: Sides
    by_group: Sides
    clusters: Clusters
    findings: Sequence[Finding]

    def groups(self) -> tuple[NDArray[np.uint64], Sides]:
        """(G,) the digests of the groups, in the order in which they came; (G,) what is remembered of each."""
        own = self.clusters.own[:len(self.by_group)]
        rows = np.sort(scratch.distinct(own)[0])
        return own[rows], self.by_group[rows]

    @property
    def set_aside(self) -> int:
        """How many rows are on no side."""
        return int((self.sides == ASIDE).sum())

    def parts(self, rows: Sequence[Example]) -> dict[Side, Sequence[Example]]:
        """The rows of each side, in their order."""
        return {side: picked(rows, np.flatnonzero(self.sides == index)) for index, side in enumerate(SIDES)}


def placed(found: Clusters, count: int, rule: groups.Rule, wanted: Wanted) -> Placed:
    """The sides of the first rows, as many as `count` says, by their clusters.

    A group that is known keeps its side; a cluster joins the side of the groups in it that are known. Where they are on
    several, each of its new groups joins the one that it is near to, and is set aside if it is near to more.
    """
    own = found.own[:count]
    first, unit_of = scratch.distinct(found.first[:count])
    known = scratch.collected((wanted.known.get(int(group), UNDECIDED) for group in own), np.int8)
    units = np.zeros(len(first), np.uint8)  # a bit for each side that a group of the cluster is known to be on
    on_side = (known != UNDECIDED) & (known != ASIDE)
    np.bitwise_or.at(units, unit_of[on_side], 1 << known[on_side].astype(np.uint8))
    side_of = np.full(len(first), UNDECIDED, np.int8)
    for index in range(len(SIDES)):
        side_of[units == 1 << index] = index
    side_of = _decided(found, (first, unit_of), side_of, wanted)
    sides: Sides = np.where(known != UNDECIDED, known, scratch.taken(side_of, unit_of))
    parted = _Parted()
    for unit in np.flatnonzero(np.bitwise_count(units) > 1):
        parted.take(found, found.first[first[unit]], set(own[unit_of == unit].tolist()), rule, wanted)
    if parted.sides:
        sides = scratch.collected(
            (parted.sides.get(int(group), side) for group, side in zip(own, sides, strict=True)), np.int8)
    by_group = sides
    told = [*parted.told(), *_known_aside(found, sides, parted)]
    if wanted.times is not None:
        sides, future = _not_of_the_future(found.rows, sides, wanted.times, wanted.cuts)
        told += future
    return Placed(sides, by_group, replace(found, renamed=parted.names) if parted.names else found, told)


def _decided(
    found: Clusters, units: tuple[NDArray[np.int64], NDArray[np.int64]], sides: Sides, wanted: Wanted
) -> Sides:
    """(U,) the side of each cluster; those that have one keep it. units: the first row of each; the cluster of each."""
    first, unit_of = units
    free = sides == UNDECIDED
    if wanted.times is not None:
        return np.where(free, wanted.cuts.side(latest(wanted.times, unit_of, len(first))), sides).astype(np.int8)
    chances = scratch.collected((place_of(wanted.seed, found.name(int(place))) for place in first), np.float64)
    if wanted.stratify:
        labels, sizes = strata.of_units(found.rows, unit_of), np.bincount(unit_of, minlength=len(first))
        return strata.drawn(labels, sizes, chances, sides, shares=wanted.shares, seed=wanted.seed)
    # test takes the lower end and validation the upper, so that neither's share moves the other
    chosen = np.zeros(len(first), np.int8)
    chosen[chances >= 1 - wanted.shares["validation"]] = SIDES.index("validation")
    chosen[chances < wanted.shares["test"]] = SIDES.index("test")
    return np.where(free, chosen, sides).astype(np.int8)


def latest(times: Times, unit_of: NDArray[np.int64], count: int) -> Times:
    """(U,) the time of the latest row of each cluster."""
    found = np.full(count, -np.inf)
    np.maximum.at(found, unit_of, times)
    return found


@dataclass
class _Parted:
    """Clusters whose known groups are on several sides, looked at group by group.

    sides, names: of the groups in them, by their digests; between: of each that is set aside, its place in the files
    and those of a row of each side that it is near to.
    """

    sides: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    between: dict[int, tuple[str, list[str]]] = field(default_factory=dict)

    def take(self, found: Clusters, cluster: np.int64, own: set[int], rule: groups.Rule, wanted: Wanted) -> None:
        """Decide the new groups of a cluster, and name what is left of it when those set aside are gone."""
        places = np.flatnonzero(found.first == cluster)
        every, at = np.unique(found.own[places], return_index=True)
        row = {int(group): int(places[index]) for group, index in zip(every, at, strict=True)}
        links = groups.links(found, places.tolist(), rule) if len(places) <= MOST else None
        known = {group: wanted.known[group] for group in own if group in wanted.known}
        new = own - known.keys()
        for together in _components(new, links or {group: new for group in new}):
            near = {group for one in together for group in (links[one] if links else known) if group in known}
            sides = {known[group]: group for group in sorted(near) if known[group] != ASIDE}
            alone = _alone(found, [int(place) for place in places if int(found.own[place]) in together], wanted)
            side = ASIDE if len(sides) > 1 else next(iter(sides), alone)
            self.sides |= dict.fromkeys(together, side)
        gone = {group for group in own if {**known, **self.sides}[group] == ASIDE}
        for group in gone:
            beside = {known[other]: row[other] for other in sorted(links[group] if links else known)
                      if known.get(other, ASIDE) != ASIDE}
            self.between[group] = (found.rows[row[group]].where, [
                f"{found.rows[place].where} ({SIDES[side]})" for side, place in sorted(beside.items())])
        left = set(row) - gone
        for together in _components(left, links) if links else [{group} for group in left]:
            name = found.rows[row[min(together)]].group
            self.names |= dict.fromkeys(together, name)

    def told(self) -> Iterator[Finding]:
        """A warning where rows are set aside, with those that they are near to."""
        if self.between:
            places = [(where, " and ".join(others) or "others that are")
                      for where, others in sorted(self.between.values())]
            yield Finding("warning", "data.set_aside", f"{len(places)} group(s) are near to rows of two sides and "
                          f"set aside, on none: {pairs(places[:3], 'beside', len(places))}", places[0][0],
                          "nothing; without them no row of a side was seen on another")


def _components(members: set[int], links: Mapping[int, set[int]]) -> Iterator[set[int]]:
    """The members by what leads from one to another among them."""
    left = set(members)
    while left:
        found, ahead = set[int](), [min(left)]
        while ahead:
            one = ahead.pop()
            found.add(one)
            left.discard(one)
            ahead += links[one] & left
        yield found


def _alone(found: Clusters, places: Sequence[int], wanted: Wanted) -> int:
    """The side of rows of new groups that are near to nothing known: by their times, else by chance."""
    if wanted.times is not None:
        return int(wanted.cuts.side(wanted.times[[place for place in places if place < len(wanted.times)]]).max())
    chance = place_of(wanted.seed, found.rows[min(places, key=lambda place: int(found.own[place]))].group)
    if chance < wanted.shares["test"]:
        return SIDES.index("test")
    return SIDES.index("validation" if chance >= 1 - wanted.shares["validation"] else "train")


def _known_aside(found: Clusters, sides: Sides, parted: _Parted) -> Iterator[Finding]:
    """A warning for rows that were set aside earlier, and are near to nothing now that would show why."""
    places = [found.rows[int(place)].where for place in np.flatnonzero(sides == ASIDE)
              if int(found.own[place]) not in parted.between]
    if places:
        yield Finding("warning", "data.set_aside", f"{len(places)} row(s) were set aside when they came, and stay on "
                      "no side", places[0], "nothing; or take their lines out of the file that `data.sides` names")


def _not_of_the_future(rows: Sequence[Example], sides: Sides, times: Times, cuts: Cuts) -> tuple[Sides, list[Finding]]:
    """The sides, with rows set aside that are later than their side may be: their group was there before them."""
    least = cuts.side(times)
    late = (sides != ASIDE) & (sides < least)
    found = np.where(late, ASIDE, sides).astype(np.int8)
    dates = " and ".join(f"`{name}` {date}" for name, date in cuts.as_json().items())
    older = int(((found != ASIDE) & (found > least)).sum())
    also = f"; {older:,} older rows are there too, with later ones of their group" if older else ""
    told = [Finding("note", "data.time", f"rows are held out by their time: {dates or 'none'}{also}", "data.time")]
    if late.any():
        place = int(np.flatnonzero(late)[0])
        told.append(Finding("warning", "data.set_aside", f"{late.sum():,} row(s) are later than what is learnt, and of "
                            "a group that is learnt: they are set aside, on no side", rows[place].where,
                            "nothing; a group that goes on for ever is better not held together"))
    return found, told
