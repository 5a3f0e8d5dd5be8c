"""How tags spell entities: recognised, read, written, and mended where a sequence breaks its scheme.

    iob2   B- begins every entity, I- goes on           iob1   I-, and B- only right after an entity of the same type
    io     I- alone: a run is an entity                 types  as `io`, the type alone without `I-`
    bioes  B-, I-, E- ends, S- stands alone             bilou  the same with L- and U-
    none   no entities: each word has a tag of its own, such as its part of speech

Source: Ramshaw and Marcus 1995 (IOB1); Ratinov and Roth 2009 (BILOU). Tags that break their scheme are read as the
script of CoNLL-2000 reads them, which is seqeval's default too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

OUTSIDE: Final = "O"
NONE: Final = "none"
TYPES: Final = "types"
SCHEMES: Final = ("iob2", "iob1", "io", "bioes", "bilou", TYPES, NONE)
FORMED = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
LETTERS: Final = {  # of an entity of several words: begins, goes on, ends; and of one word
    "iob2": ("B", "I", "I", "B"), "iob1": ("I", "I", "I", "I"), "io": ("I", "I", "I", "I"),
    "bioes": ("B", "I", "E", "S"), "bilou": ("B", "I", "L", "U"),
}
READ_AS: Final = {"L": "E", "U": "S"}
SLIPS = 0.1  # of all tags inside entities: so many may be misspelt and the scheme is still seen
MARKS = 0.01  # of them: from so many on, letters that end entities are meant


@dataclass(frozen=True, slots=True)
class Entity:
    """Words from `first` to before `end`, and the type of what they name."""

    type: str
    first: int
    end: int


def recognise(rows: Iterable[Sequence[str]]) -> str:
    """The scheme that tags are most likely written in; a few slips do not hide it."""
    rows = list(rows)
    counts = Counter(tag for tags in rows for tag in tags)
    inside = counts.total() - counts[OUTSIDE]
    letters: Counter[str] = Counter()
    for tag, count in counts.items():
        found = FORMED.fullmatch(tag)
        if found:
            letters[found[1]] += count
    if not inside or letters.total() < (1 - SLIPS) * inside:
        return TYPES if counts[OUTSIDE] > inside else NONE
    for scheme, ends in (("bioes", "ES"), ("bilou", "LU")):
        if sum(letters[end] for end in ends) > MARKS * letters.total():
            return scheme
    if not letters["B"]:
        return "io"
    breaking = {scheme: sum(mended(tags, scheme) != list(tags) for tags in rows) for scheme in ("iob2", "iob1")}
    return min(breaking, key=breaking.__getitem__)


def parted(tag: str, scheme: str) -> tuple[str, str]:
    """Letter and type of a tag, ("O", "") where it is none of the scheme's."""
    if tag == OUTSIDE or scheme == NONE:
        return OUTSIDE, ""
    if scheme == TYPES:
        return "I", tag
    found = FORMED.fullmatch(tag)
    return (READ_AS.get(found[1], found[1]), found[2]) if found else (OUTSIDE, "")


def entities(tags: Sequence[str], scheme: str) -> list[Entity]:
    """What the tags say, also where they break the scheme: then a word that cannot go on begins an entity."""
    found: list[Entity] = []
    first, before = 0, (OUTSIDE, "")
    for place, tag in enumerate([*tags, OUTSIDE]):
        letter, kind = parted(tag, scheme)
        goes_on = kind == before[1] and letter not in "BS" and before[0] not in "ES"
        if before[0] != OUTSIDE and not goes_on:
            found.append(Entity(before[1], first, place))
        if not goes_on:
            first = place
        before = letter, kind
    return found


def strict(tags: Sequence[str], scheme: str) -> list[Entity]:
    """Only those entities that are written as the scheme writes them."""
    found = entities(tags, scheme)
    written = spelt(found, len(tags), scheme)
    return [one for one in found if list(tags[one.first : one.end]) == written[one.first : one.end]]


def spelt(found: Sequence[Entity], words: int, scheme: str) -> list[str]:
    """The tags of so many words that say what stands in them."""
    tags = [OUTSIDE] * words
    before = Entity("", 0, 0)
    for one in found:
        if scheme == TYPES:
            letters = [""] * (one.end - one.first)
        else:
            begins, inside, ends, alone = LETTERS[scheme]
            many = one.end - one.first
            letters = [alone] if many == 1 else [begins, *[inside] * (many - 2), ends]
            if scheme == "iob1" and (before.type, before.end) == (one.type, one.first):
                letters[0] = "B"
        tags[one.first : one.end] = [f"{letter}-{one.type}" if letter else one.type for letter in letters]
        before = one
    return tags


def mended(tags: Sequence[str], scheme: str) -> list[str]:
    """The tags that say the same and keep to the scheme; those that keep to it already are unchanged."""
    return list(tags) if scheme == NONE else spelt(entities(tags, scheme), len(tags), scheme)


def labels(rows: Iterable[Sequence[str]], scheme: str) -> tuple[str, ...]:
    """All tags that a head must know: `O`, then type by type every tag that the scheme has for it."""
    if scheme == NONE:
        return tuple(sorted({tag for tags in rows for tag in tags}))
    kinds = sorted({one.type for tags in rows for one in entities(tags, scheme)})
    if scheme == TYPES:
        return (OUTSIDE, *kinds)
    letters = "BI" if scheme == "iob1" else dict.fromkeys(LETTERS[scheme])
    return (OUTSIDE, *(f"{letter}-{kind}" for kind in kinds for letter in letters))


def types(labels: Sequence[str], scheme: str) -> tuple[str, ...]:
    """The types of entities that a head with such labels tells apart; of plain tags the tags themselves."""
    if scheme == NONE:
        return tuple(labels)
    return tuple(dict.fromkeys(kind for _, kind in (parted(label, scheme) for label in labels) if kind))
