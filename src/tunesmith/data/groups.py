"""Which rows belong together: those of one group, of one author or document, and those that are nearly the same.

Two rows are nearly the same where what they say is, or what they ask: a copy of a question is no news, whatever answer
it has. Of what is compared nothing is held here but some bytes a row, so the rows may be more than memory holds.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .. import scratch
from ..reading.quoting import pairs
from ..records import Alike, Conversation, Example, Finding, Pair, Question
from ..scratch import Growing, Indices
from ..text import near
from ..text.joined import Joined
from ..text.shingles import shingled, words
from .fields import normalised
from .shelf import picked
from .texts import texts

SHORT = 5  # words; fewer join no two groups that a column names, for everybody says "yes, thank you"
LARGE = 10  # rows; of fewer, half of a side is soon one cluster


def columns(named: str | Sequence[str] | None) -> tuple[str, ...]:
    """The columns that `data.group` names: none, one or several."""
    return () if named is None else (named,) if isinstance(named, str) else tuple(named)


def label(values: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """The group of a row: the value of the column, of several columns all that it has; None where it has nothing."""
    found = {name: normalised(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
             for name in columns if (value := values.get(name)) not in (None, "")}
    if len(columns) == 1 or not found:
        return next(iter(found.values()), None)
    return json.dumps(found, sort_keys=True, ensure_ascii=False)


def said(example: Example) -> str:
    """All that a row is compared by; of a question its context alone, which others may ask about too."""
    return example.context if isinstance(example, Question) else "\n".join(texts(example))


def asked(example: Example) -> str | None:
    """What a row asks, where that is not all that it says."""
    if isinstance(example, Pair):
        return example.prompt
    if isinstance(example, Conversation):
        return next((turn.content for turn in example.messages if turn.role == "user"), None)
    return None


def digest(group: str) -> int:
    """What is remembered of a group: 8 bytes, which tell nothing of its text."""
    return int.from_bytes(hashlib.blake2b(group.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def numbers(rows: Iterable[Example]) -> NDArray[np.uint64]:
    """(N,) the digest of each row's group."""
    return scratch.collected((digest(row.group) for row in rows), np.uint64)


@dataclass(frozen=True)
class Rule:
    """What makes rows belong together.

    near: the Jaccard index from which two texts are nearly the same; None: they are not compared. columns: what
    `data.group` names; none where a row's group is what it asks, or its text.
    """

    near: float | None = near.THRESHOLD
    columns: Sequence[str] = ()

    def compared(self, example: Example) -> Iterator[str]:
        """The texts of a row by which it is near another one."""
        text = said(example)
        if not self.columns:
            question = asked(example)
            yield text
            if question is not None:
                yield question
        elif len(words(text)) >= SHORT:
            yield text

    def values(self, group: str) -> list[tuple[str, str]]:
        """What a row shares with others of its author or document, where several columns are named."""
        if len(self.columns) < 2:
            return []
        try:
            found = json.loads(group)
        except ValueError:  # of another file, whose columns are not those
            return []
        return list(found.items()) if isinstance(found, dict) else []


@dataclass(frozen=True)
class Clusters:
    """What belongs together among rows.

    own: (N,) the digest of each row's own group; first: (N,) for each row the place of the first row of the group that
    its cluster is named after; alike: the rows that are nearly the same as another one; renamed: by the digest of a
    group the name that it has where its cluster was parted.
    """

    rows: Sequence[Example]
    own: NDArray[np.uint64]
    first: NDArray[np.int64]
    alike: Sequence[Alike] = ()
    renamed: Mapping[int, str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict, repr=False)

    def name(self, place: int) -> str:
        """The group of the row at a place: its own, or the one that its cluster is named after."""
        name = self._of_cluster(place)
        return self.rows[place].group if name is None else name

    def _of_cluster(self, place: int) -> str | None:
        first = int(self.first[place])
        if self.renamed and int(self.own[place]) in self.renamed:
            return self.renamed[int(self.own[place])]
        if self.own[first] == self.own[place]:
            return None
        if first not in self._names:
            self._names[first] = self.rows[first].group
        return self._names[first]

    @cached_property
    def joined(self) -> Indices:
        """The places of the rows whose cluster has several groups."""
        several = scratch.filled(len(self.first), False, np.bool_)
        for some in scratch.blocks(len(self.first)):
            first = self.first[some]
            several[first[self.own[some] != self.own[first]]] = True
        return scratch.places(self.first, lambda first: several[first])

    def own_groups(self) -> dict[str, int]:
        """By the place in the files of each row whose cluster has several groups, the digest of its own one."""
        return {self.rows[int(place)].where: int(self.own[place]) for place in self.joined}

    def of(self, part: Sequence[Example], start: int) -> Sequence[Example]:
        """The rows of a part that begins at a place, each in the group of its cluster."""
        def change(example: Example, place: int) -> Example:
            name = self._of_cluster(start + place)
            return example if name is None or name == example.group else replace(example, group=name)

        return picked(part, range(len(part)), change)


def told(found: Clusters, rule: Rule, held: float) -> list[Finding]:
    """How much belongs together beyond single groups, and a warning where one cluster is too large for the sides.

    held: the smallest share that is held out; 0: none is.
    """
    if not len(found.joined):
        return []
    names, sizes = np.unique(found.first[found.joined], return_counts=True)
    apart = found.joined[found.own[found.joined] != found.own[found.first[found.joined]]]
    places = [(found.rows[int(place)].where, found.rows[int(found.first[place])].where) for place in apart[:3]]
    why = "belong together by `data.group` or as near-duplicates" if len(rule.columns) > 1 else "have near-duplicates"
    all_rows, largest = f"{len(found.rows):,} rows", f"{sizes.max():,}"
    findings = [Finding(
        "note", "data.near", f"{len(found.joined):,} of {all_rows} {why}: {len(names):,} cluster(s), each on one side, "
        f"the largest of {largest} rows: {pairs(places, 'beside', len(apart))}", places[0][0],
        "nothing; a file in `data.sides` keeps every row on its side when rows are added")]
    if sizes.max() >= LARGE and sizes.max() > held * len(found.rows) / 2 > 0:
        findings.append(Finding(
            "warning", "data.large_cluster", f"{largest} of {all_rows} are one cluster, which stays on one side, so "
            "the shares of the sides cannot hold", found.rows[int(names[sizes.argmax()])].where,
            "put what all rows repeat into `data.system`, or raise `data.near`; `null` compares no rows"))
    return findings


def clusters(rows: Sequence[Example], rule: Rule) -> Clusters:
    """The rows by what belongs together.

    A cluster is named after the group whose digest is the smallest, whatever the order of the rows. The digest has
    nothing to do with the number that decides a group's side; else a cluster of many groups would be drawn more often.
    """
    own = numbers(rows)
    first_rows, group_of = scratch.distinct(own)
    joined = Joined(len(first_rows))  # groups stand in the order of their digests, so a root is the smallest of its own
    for one, other in _shared(rows, rule):
        joined.join(group_of[one], group_of[other])
    alike: Sequence[Alike] = ()
    if rule.near is not None and len(rows):
        places, nearest = _compared(rows, rule, rule.near)
        for some in scratch.blocks(len(places)):
            joined.join(group_of[places[some]], group_of[places[nearest[some]]])
        alike = _alike(rows, own, (places, nearest), rule.near)
    return Clusters(rows, own, scratch.taken(scratch.taken(first_rows, joined.every()), group_of), alike)


def links(found: Clusters, places: Sequence[int], rule: Rule) -> dict[int, set[int]]:
    """By the digest of each group of some rows, the groups that belong to it directly, with none between."""
    own = [int(found.own[place]) for place in places]
    rows = [found.rows[place] for place in places]
    texts = [[set(shingles.tolist()) for shingles in _shingles(list(rule.compared(row)))] for row in rows]
    values = [set(rule.values(row.group)) for row in rows]
    linked: dict[int, set[int]] = {group: set() for group in own}
    for one, other in combinations(range(len(rows)), 2):
        if own[one] != own[other] and own[other] not in linked[own[one]] and (
                values[one] & values[other] or _any_near(texts[one], texts[other], rule.near)):
            linked[own[one]].add(own[other])
            linked[own[other]].add(own[one])
    return linked


def _shingles(texts: Sequence[str]) -> list[NDArray[np.uint64]]:
    return [part for found in shingled(texts) for part in np.split(found.values, found.starts[1:])]


def _any_near(one: Sequence[set[int]], other: Sequence[set[int]], threshold: float | None) -> bool:
    return threshold is not None and any(
        len(first & second) >= threshold * len(first | second) - 1e-9 for first in one for second in other)


def _shared(rows: Sequence[Example], rule: Rule) -> Iterator[tuple[Indices, Indices]]:
    """Places of rows that share a value of one of several columns, and those of the first rows that have it."""
    if len(rule.columns) < 2:
        return
    counts = array("q")

    def each() -> Iterator[int]:
        for row in rows:
            values = rule.values(row.group)
            counts.append(len(values))
            yield from (digest(f"{name}\0{value}") for name, value in values)

    first, which = scratch.distinct(scratch.collected(each(), np.uint64))
    places = _owners(counts)
    for some in scratch.blocks(len(places)):
        yield places[some], places[first[which[some]]]


def _compared(rows: Sequence[Example], rule: Rule, threshold: float) -> tuple[Indices, Indices]:
    """(C,) the place of the row of each text that is compared; (C,) the first text of the cluster of each."""
    counts = array("q")

    def each() -> Iterator[str]:
        for row in rows:
            texts = list(rule.compared(row))
            counts.append(len(texts))
            yield from texts

    nearest = near.clusters(each(), threshold=threshold)
    return _owners(counts), nearest


def _owners(counts: array[int]) -> Indices:
    """(C,) the place of each row, as often as it has something that is compared."""
    found = Growing(np.int64)
    for some in scratch.blocks(len(counts)):
        found.append(np.repeat(np.arange(some.start, some.stop), counts[some]))
    return found.whole()


def _alike(
    rows: Sequence[Example], own: NDArray[np.uint64], compared: tuple[Indices, Indices], threshold: float
) -> Sequence[Alike]:
    """The rows of which all that they say is nearly the same as that of another. compared: as of `_compared`."""
    places, nearest = compared
    whole, sizes = Growing(np.int64), scratch.filled(len(places), 0, np.int64)
    for some in scratch.blocks(len(places)):  # of a row's texts, the first is all that it says
        before = places[some.start - 1] if some.start else -1
        texts = np.flatnonzero(np.diff(places[some], prepend=before)) + some.start
        np.add.at(sizes, nearest[texts], 1)
        whole.append(texts)
    several = scratch.places(firsts := whole.whole(), lambda texts: sizes[nearest[texts]] > 1)
    found = scratch.taken(places, scratch.taken(firsts, several))
    if any(isinstance(rows[int(place)], Question) for place in found[:1]):
        found = found[np.sort(scratch.distinct(own[found])[0])]  # a context once, whatever is asked of it
    pairs, shares = near.alike((said(rows[int(place)]) for place in found), threshold=threshold)
    return Pairs(rows, scratch.taken(found, pairs), shares)


class Pairs(Sequence[Alike]):
    """Rows that are nearly the same as others, made when they are asked for. pairs: (P, 2) places; shares: (P,)."""

    def __init__(self, rows: Sequence[Example], pairs: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        self._rows, self._pairs, self._shares = rows, pairs, shares

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, place: int) -> Alike: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Alike]: ...
    def __getitem__(self, place: int | slice) -> Alike | Sequence[Alike]:
        if isinstance(place, slice):
            return Pairs(self._rows, self._pairs[place], self._shares[place])
        one, other = self._pairs[place]
        return Alike(self._rows[int(one)], self._rows[int(other)], float(self._shares[place]))
