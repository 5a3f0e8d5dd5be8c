"""Tags that look like a slip of whoever wrote them: rare, and nearly a tag that is common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...data import schemes
from ...records import Finding, Head

RARE = 5  # times at most, and
COMMONER = 20  # so many times as often must the tag be that was meant
NEAR = 2  # letters that may differ,
SHORT = 5  # but one in the name of a type that is no longer


@dataclass(slots=True)
class Tags:
    """Tags as they stand in the rows: how many of each, and where the first one is."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def take(self, tags: Sequence[str], where: str) -> None:
        """Count the tags of a row."""
        self.counts.update(tags)
        for tag in tags:
            self.first.setdefault(tag, where)


def findings(tags: Tags, head: Head) -> Iterator[Finding]:
    """A warning for each tag that is probably another one, misspelt."""
    for tag, count in tags.counts.items():
        meant = _meant(tag, count, tags.counts, head.scheme)
        if meant:
            yield Finding(
                "warning", "tags.misspelt", f"the tag `{tag}` stands in {count} place(s), and looks like `{meant}`, "
                f"which stands in {tags.counts[meant]}", tags.first[tag], instead(tag, meant))


def nearest(tag: str, known: Sequence[str], scheme: str) -> str:
    """The known tag that a wrong one looks like, "" where none does."""
    near = [(distance, other) for other in known for distance in [_apart(tag, other, scheme)] if distance <= NEAR]
    return min(near)[1] if near else ""


def instead(tag: str, meant: str) -> str:
    """What to do where a tag is another, misspelt."""
    return (f"write `{meant}` there if it is meant, or have it read so: "
            f"`data: {{format: {{type: conll, rename: {{{tag}: {meant}}}}}}}`")


def _meant(tag: str, count: int, counts: Counter[str], scheme: str) -> str:
    if count > RARE:
        return ""
    common = {other: many for other, many in counts.items() if other != tag and many >= COMMONER * count}
    near = [(distance, -many, other) for other, many in common.items()
            for distance in [_apart(tag, other, scheme)] if distance <= NEAR]
    return min(near)[2] if near else ""


def _apart(tag: str, other: str, scheme: str) -> int:
    """How many letters differ; more than `NEAR` where both are good tags that only look alike."""
    if tag.casefold() == other.casefold():
        return 0
    if scheme == schemes.NONE or schemes.OUTSIDE in (tag, other):
        return NEAR + 1  # parts of speech are short, and differ in a letter: VB, VBD, VBG
    formed = scheme in schemes.LETTERS and schemes.FORMED.fullmatch(tag) is not None
    if formed and tag[0] != other[0]:
        return NEAR + 1  # what begins an entity is no slip for what goes on with it
    distance = edits(tag, other)
    return distance if distance <= (1 if formed and len(tag) - 2 <= SHORT else NEAR) else NEAR + 1


def edits(one: str, other: str) -> int:
    """Letters to put in, take out or replace. Source: Wagner and Fischer 1974."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, theirs in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != theirs))
    return row[-1]
