"""What rows say of groups of people: labels by the groups that a text names, and twins that differ in a group alone.

(a) Rates: among the labelled rows that mention groups of one kind, how often each label stands where one group is
mentioned against where others are, told only where a two-sided test of two shares (pooled z; Agresti 2013, section
3.2.4), corrected for all tests made (Bonferroni), leaves no doubt. (b) Twins: two rows whose texts are the same but for
the words of a group, with another label; after Garg 2019 (counterfactual token fairness), of pairs that stand in the
data. Both say what the rows say; why, and what a model makes of it, they do not tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, Field, model_validator

from ...contracts import Looking
from ...reading.numbers import is_number
from ...reading.quoting import quoted
from ...recipe.kinds import STRICT
from ...records import Example, Labelled, Looked, Noticed, Side
from ._groups import GROUPS, Finder, Mention
from ._parts import mark, plain
from ._telling import Found, Severity, noticed

FEWEST_EXPECTED = 5.0  # rows of each cell that chance would give, below which the test does not hold
MOST_LABELS = 100
TOLD = 2  # shares that one finding names


class Settings(BaseModel):
    """Which groups are looked for, and from which difference on something is told."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    groups: dict[str, tuple[tuple[str, ...], ...]] = Field(default_factory=dict)
    """Words by kind of group: `{gender: [[he, she], [man, woman]]}`, each list with a word for each group in one order.

    A `*` at the end of a word stands for any ending. Where none are named, a small list of English and Azerbaijani
    words for gender, religion, origin and age is used.
    """

    difference: float = Field(default=0.1, ge=0, le=1)
    """The difference of two shares from which on it is told, if it is clear: 0 to 1. Try 0.05 with many rows."""

    chance: float = Field(default=0.01, gt=0, le=0.5)
    """How often chance alone may lead to any finding, over all tests together: above 0 to 0.5."""

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        for kind, lists in self.groups.items():
            if not lists or len(lists[0]) < 2 or any(len(words) != len(lists[0]) for words in lists):
                raise ValueError(f"`{kind}` needs lists of as many words as there are groups, two or more")
        return self


@dataclass(slots=True)
class _Seen:
    """What is counted of one kind of groups. rows: that mention one group alone; labels: of these, by group."""

    rows: Counter[int] = field(default_factory=Counter)
    labels: Counter[tuple[int, str]] = field(default_factory=Counter)
    twins: int = 0
    others: Found = field(default_factory=Found)


@dataclass(frozen=True, slots=True)
class _Twin:
    """A row as its twins see it: the groups that it mentions, in the order of its words, and its labels."""

    groups: tuple[int, ...]
    labels: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class _Gap:
    """A label whose share differs: of rows that mention one group, against those that mention another of its kind."""

    group: int
    label: str
    share: float
    rest: float


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding for each kind of groups whose rows differ clearly, and one for twins with other labels."""
    finders = {kind: Finder(lists) for kind, lists in (settings.groups or GROUPS).items()}
    seen = {kind: _counted(sides, finder) for kind, finder in finders.items()}
    tests = sum(len(set(one.rows)) * len({label for _, label in one.labels}) for one in seen.values())
    found = [told for kind, one in seen.items()
             if (told := _rates(sides, settings, (kind, finders[kind], one), tests)) is not None]
    return Looked((*found, *(told for kind, one in seen.items() if (told := _twins(settings, kind, one)) is not None)))


def _labelled(sides: Mapping[Side, Sequence[Example]]) -> Iterator[tuple[Labelled, tuple[str, ...]]]:
    for examples in sides.values():
        for example in examples:
            if isinstance(example, Labelled) and example.labels:
                yield example, example.labels


def _counted(sides: Mapping[Side, Sequence[Example]], finder: Finder) -> _Seen:
    """What stands where which group is mentioned, and the twins: rows of one text but for the words of a group."""
    seen, alike = _Seen(), dict[int, list[_Twin]]()
    for example, labels in _labelled(sides):
        mentions = list(finder.mentions(_text(example)))
        if not mentions:
            continue
        twin = _Twin(tuple(one.group for one in mentions), labels, example.where)
        if len(set(twin.groups)) == 1:
            seen.rows[twin.groups[0]] += 1
            seen.labels.update((twin.groups[0], label) for label in set(labels))
        same = alike.setdefault(mark([_without(_text(example), mentions)]), [])
        if not any((one.groups, one.labels) == (twin.groups, labels) for one in same):
            same.append(twin)
    pairs = {key: same for key, same in alike.items() if len({one.groups for one in same}) > 1}
    if pairs:
        _pair(sides, finder, pairs, seen)
    return seen


def _pair(
    sides: Mapping[Side, Sequence[Example]], finder: Finder, pairs: Mapping[int, Sequence[_Twin]], seen: _Seen,
) -> None:
    """Count the rows that have a twin, and those whose twin has another label."""
    for example, labels in _labelled(sides):
        mentions = list(finder.mentions(_text(example)))
        groups = tuple(one.group for one in mentions)
        same = pairs.get(mark([_without(_text(example), mentions)]), ()) if mentions else ()
        twins = [one for one in same if _swapped(one.groups, groups)]
        seen.twins += bool(twins)
        other = next((one for one in twins if set(one.labels) != set(labels)), None)
        if other is not None:
            seen.others.add(example, f"{'+'.join(labels)}, where {other.where.rpartition('/')[2]} has "
                            f"{'+'.join(other.labels)}: {_text(example)}")


def _swapped(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether each group stands wherever another stood: `a man and a man` is no twin of `a man and a woman`."""
    return one != other and len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


def _text(example: Labelled) -> str:
    return example.text if example.second is None else f"{example.text}\n{example.second}"


def _without(text: str, mentions: Sequence[Mention]) -> str:
    """The text with a number for each word of a group, which those that answer it have too."""
    parts, at = [], 0
    for one in mentions:
        parts += [text[at:one.start], f"\0{one.word}"]
        at = one.end
    return plain("".join([*parts, text[at:]]))


def _rates(
    sides: Mapping[Side, Sequence[Example]], settings: Settings, of: tuple[str, Finder, _Seen], tests: int,
) -> Noticed | None:
    kind, finder, seen = of
    gaps = sorted(_gaps(seen, settings, tests), key=lambda gap: -abs(gap.share - gap.rest))
    if not gaps:
        return None
    worst, found = gaps[0], Found()
    for example, labels in _labelled(sides):
        groups = {one.group for one in finder.mentions(_text(example))}
        if groups == {worst.group} and worst.label in labels:
            found.add(example)
    names = ", ".join(
        f"{gap.share:.0%} of the {seen.rows[gap.group]} rows with `{finder.names[gap.group]}` or its like have "
        f"{quoted(gap.label)}, of the rows with others {gap.rest:.0%}" for gap in gaps[:TOLD])
    more = f", and {len(gaps) - TOLD} more" if len(gaps) > TOLD else ""
    return noticed(
        settings, "audit.label_rates", f"in the rows, labels go with the {kind} that a text mentions: {names}{more}",
        found.rows, "read whether their texts differ as much, and collect rows for groups that lack them; the words "
        "are an option: `data.audit: [{type: bias, groups: {gender: [[he, she], [man, woman]]}}]`", count=found.count)


def _gaps(seen: _Seen, settings: Settings, tests: int) -> Iterator[_Gap]:
    labels = {label for _, label in seen.labels}
    if len(labels) > MOST_LABELS or (len(labels) > 20 and all(map(is_number, labels))):
        return
    total = seen.rows.total()
    for label in sorted(labels):
        every = sum(seen.labels[group, label] for group in seen.rows)
        for group, rows in sorted(seen.rows.items()):
            with_it, rest = seen.labels[group, label], total - rows
            expected = min(rows, rest) * min(every, total - every) / total
            if expected < FEWEST_EXPECTED:
                continue
            share, other = with_it / rows, (every - with_it) / rest
            chance = tests * two_shares(with_it, rows, every - with_it, rest)
            mirrored = len(seen.rows) == 2 and share < other  # told already, from the other group's side
            if abs(share - other) >= settings.difference and chance < settings.chance and not mirrored:
                yield _Gap(group, label, share, other)


def two_shares(one: int, of_one: int, other: int, of_other: int) -> float:
    """How likely a difference of two shares is by chance, at least as large, in either direction."""
    pooled = (one + other) / (of_one + of_other)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / of_one + 1 / of_other))
    return math.erfc(abs(one / of_one - other / of_other) / spread / math.sqrt(2)) if spread else 1.0


def _twins(settings: Settings, kind: str, seen: _Seen) -> Noticed | None:
    if not seen.others.count:
        return None
    what = f"{seen.others.count} of {seen.twins} rows that have a twin, the same text but for words of {kind}, have " \
        "another label than it"
    return noticed(settings, "audit.twins", what, seen.others.rows, "decide which label is right for both, or write "
                   "into the texts what makes them differ; where the word itself decides, `data.audit: [{type: bias, "
                   "severity: off}]`", count=seen.others.count)
