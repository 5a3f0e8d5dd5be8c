"""Which rows a person should see: a few of every side, kind and source, and the odd ones among all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Final

import numpy as np

from ...encoding.batches.flat import examples_of, lengths_of, supervised_of
from ...encoding.order import seed_for
from ...records import SIDES, Conversation, Document, Example, Side

NAMED: Final = 5  # rows that findings name: more of them would leave no room for the others


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row to show: its side, its index there, and why it was chosen."""

    side: Side
    index: int
    why: tuple[str, ...]


def choose(
    examples: Mapping[Side, Sequence[Example]], documents: Mapping[Side, Sequence[Document]], rows: int, *, seed: int,
    named: Sequence[str] = (),
) -> list[Chosen]:
    """At most so many rows: the odd ones first, then the others in the order of sides and files.

    What has room is found in this order: one of each side, kind and file; five that are `named` (`file:line`, as
    findings do); the odd ones of each side (longest, lowest share of supervised tokens, shortest, most turns); others,
    drawn by the seed. Only the odd and the named have a reason.
    """
    why: dict[tuple[Side, int], list[str]] = {}
    for side, index, reason in (*_of_each(examples, documents, seed), *_named(examples, documents, named),
                                *_odd(examples, documents), *_drawn(documents, seed)):
        if (side, index) in why or len(why) < rows:
            why.setdefault((side, index), []).append(reason)
    chosen = [Chosen(side, index, tuple(filter(None, reasons))) for (side, index), reasons in why.items()]
    return sorted(chosen, key=lambda each: (not each.why, SIDES.index(each.side), each.index))


def _of_each(
    examples: Mapping[Side, Sequence[Example]], documents: Mapping[Side, Sequence[Document]], seed: int
) -> Iterator[tuple[Side, int, str]]:
    """One drawn row of every side, kind and file."""
    for side in SIDES:
        strata: dict[tuple[str, str, str], list[int]] = {}
        for index in dict.fromkeys(examples_of(documents[side]).tolist()):
            example = examples[side][index]
            file = PurePath(example.where.rpartition(":")[0]).name
            strata.setdefault((type(example).__name__, example.source, file), []).append(index)
        drawing = _random(seed, side)
        yield from ((side, drawing.choice(indices), "") for indices in strata.values())


def _named(
    examples: Mapping[Side, Sequence[Example]], documents: Mapping[Side, Sequence[Document]], named: Sequence[str]
) -> Iterator[tuple[Side, int, str]]:
    at = {examples[side][index].where: (side, index)
          for side in SIDES for index in dict.fromkeys(examples_of(documents[side]).tolist())}
    found = (at[where] for where in dict.fromkeys(named) if where in at)
    yield from ((side, index, "named by a finding") for side, index in islice(found, NAMED))


def _odd(
    examples: Mapping[Side, Sequence[Example]], documents: Mapping[Side, Sequence[Document]]
) -> Iterator[tuple[Side, int, str]]:
    for side in SIDES:
        of = examples_of(documents[side])
        if not len(of):
            continue
        indices, place = np.unique(of, return_inverse=True)
        tokens = np.bincount(place, lengths_of(documents[side]))
        supervised = np.bincount(place, supervised_of(documents[side]))
        turns = [len(example.messages) if isinstance(example, Conversation) else 0
                 for example in (examples[side][index] for index in indices.tolist())]
        yield side, int(indices[tokens.argmax()]), f"longest of {side}"
        yield side, int(indices[(supervised / np.maximum(tokens, 1)).argmin()]), f"lowest supervised share of {side}"
        yield side, int(indices[tokens.argmin()]), f"shortest of {side}"
        if max(turns) > min(turns):
            yield side, int(indices[int(np.argmax(turns))]), f"most turns of {side}"


def _drawn(documents: Mapping[Side, Sequence[Document]], seed: int) -> Iterator[tuple[Side, int, str]]:
    for side in SIDES:
        indices = list(dict.fromkeys(examples_of(documents[side]).tolist()))
        _random(seed, side).shuffle(indices)
        yield from ((side, index, "") for index in indices)


def _random(seed: int, side: Side) -> random.Random:
    return random.Random(seed_for(seed, "preview", side))  # noqa: S311 - a draw that can be repeated
