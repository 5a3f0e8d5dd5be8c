"""New training rows made of old ones, as `data.augment` says; each knows the row that it was made from."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..contracts import Ask
from ..errors import Misuse
from ..recipe import Section
from ..records import Example, Finding
from .fields import normalised
from .shelf import Shelf, laid, picked
from .texts import texts

MADE = re.compile(r"(.*:\d+) \(([\w.]+)\)", re.DOTALL)


@dataclass(slots=True)
class _Way:
    """What one way made, and of how many rows it could make nothing, by the reason."""

    made: Shelf = field(default_factory=Shelf)
    reasons: Counter[str] = field(default_factory=Counter)


def varied(
    examples: Sequence[Example], ways: Sequence[Section], *, seed: int, ask: Ask, held: Iterable[Example] = ()
) -> tuple[Sequence[Example], list[Finding]]:
    """The rows and after them the new ones of each way, and what is told of each.

    A new row has its parent's group and source, and in its place `file:line (way)`. Ways are given the rows of the
    files, never each other's. One that says the same as its parent, as another that was made of it, or as one of
    `held` is not taken. Raises Misuse for a way that takes no rows of this kind.
    """
    if not examples or not ways:
        return examples, []
    seen: set[bytes] = set()
    kept_out = {_mark(example) for example in held}
    found = {way.type: _made(examples, way, (seed, ask), (seen, kept_out)) for way in ways}
    told = [_told(name, each, len(examples)) for name, each in found.items()]
    return laid([examples, *(each.made.whole() for each in found.values())]), told


def parent(where: str) -> tuple[str, str]:
    """Where the row stands that one was made of, and in which way: its own place and "" for a row of a file."""
    made = MADE.fullmatch(where)
    return (made[1], made[2]) if made else (where, "")


def itself(example: Example, settings: Any) -> Example:
    """A row as it is: how one is learnt by a way whose new rows are of their parents' kind."""
    return example


def of_files(examples: Sequence[Example]) -> Sequence[Example]:
    """The examples that were not made of others."""
    return picked(examples, [place for place, example in enumerate(examples) if not parent(example.where)[1]])


def _made(
    examples: Sequence[Example], way: Section, given: tuple[int, Ask], known_of: tuple[set[bytes], set[bytes]]
) -> _Way:
    if not any(isinstance(example, way.module.takes) for example in examples):
        kinds = " and ".join(f"{kind.__name__.lower()}s" for kind in way.module.takes)
        raise Misuse("data.augment", f"`{way.type}` varies {kinds}, and the data holds "
                     f"{type(examples[0]).__name__.lower()}s", "data.augment",
                     "take it out; `tunesmith explain data.augment` lists the ways")
    (seed, ask), (seen, held) = given, known_of
    number = int.from_bytes(hashlib.sha256(f"{seed}\0augment\0{way.type}".encode()).digest()[:8], "big")
    found = _Way()
    for place, example in way.module.vary(examples, way.settings, seed=number, ask=ask):
        old = examples[place]
        if isinstance(example, str):
            found.reasons[example] += 1
            continue
        known = replace(example, where=old.where, group=old.group, source=old.source)
        if known in (old, way.module.learnt(old, way.settings)):
            found.reasons["it says the same as before"] += 1
        elif _mark(known) in held:
            found.reasons["a row that is held out says the same"] += 1
        elif (mark := hashlib.sha256(repr(known).encode(errors="surrogatepass")).digest()) in seen:
            found.reasons["the same was made of it already"] += 1
        else:
            seen.add(mark)
            found.made.extend([replace(known, where=f"{old.where} ({way.type})")])
    return found


def _mark(example: Example) -> bytes:
    """By what a row is known that says the same, whatever its white space and its capitals."""
    said = "\0".join(normalised(text).casefold() for text in texts(example))
    return hashlib.sha256(said.encode(errors="surrogatepass")).digest()


def _told(name: str, found: _Way, rows: int) -> Finding:
    """How many rows a way made, and why it did not make more; a warning where it made none."""
    what = f"`{name}` made {len(found.made):,} rows more of {rows:,}"
    if found.reasons:
        many = found.reasons.total()
        reasons = "; ".join(f"{reason} ({count:,})" for reason, count in found.reasons.most_common())
        what += f"; {many:,} times it could not: {reasons}"
    return Finding("note" if found.made else "warning", "data.augmented", what, "data.augment",
                   "" if found.made else "raise its `share`, or take it out")
