"""How often each label stands in the rows: which are rare, which are probably one written in two ways; and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, Field

from ...contracts import Looking
from ...reading.numbers import is_number
from ...reading.quoting import quoted
from ...recipe.kinds import STRICT
from ...records import Example, Figure, Labelled, Looked, Noticed, Side, Tagged
from ._drawing import bars, histogram
from ._parts import plain
from ._telling import Found, Severity, noticed

Counts = Mapping[Side, Counter[str]]
OUTSIDE = "O"


class Settings(BaseModel):
    """How rare a label may be."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    rare: float = Field(default=0.05, ge=0, le=1)
    """The share of the commonest label's rows below which a label is told as rare, 0 to 1; 0: never.

    Try 0.01 where there are hundreds of labels.
    """


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """Findings where labels are rare or written in two ways, and bars of labels and tags, or a histogram of numbers."""
    counts: dict[Side, Counter[str]] = {side: Counter() for side in sides}
    tags: dict[Side, Counter[str]] = {side: Counter() for side in sides}
    for side, examples in sides.items():
        for example in examples:
            if isinstance(example, Labelled):
                counts[side].update(set(example.labels or ()))
            elif isinstance(example, Tagged):
                tags[side].update(_type(tag) for tag in example.tags or () if tag != OUTSIDE)
    figures = (bars("Tags", "words", tags),) if any(tags.values()) else ()
    if len(set().union(*counts.values())) < 2:
        return Looked((), figures)
    if _measured(counts):
        return Looked((), (*figures, _numbers(counts)))
    told = [found for found in (_rare(sides, counts, settings), _written(sides, counts, settings)) if found]
    return Looked(tuple(told), (*figures, bars("Labels", "rows", counts)))


def _type(tag: str) -> str:
    """What is tagged, without where in it a word stands."""
    return tag[2:] if tag[1:2] == "-" and tag[0] in "BIESLU" else tag


def _measured(counts: Counts) -> bool:
    """Whether labels are numbers with a fraction, so that they measure something and name nothing."""
    labels = set().union(*counts.values())
    return all(map(is_number, labels)) and not all(float(label).is_integer() for label in labels)


def _numbers(counts: Counts) -> Figure:
    return histogram("Labels", "rows", {
        side: np.array([float(label) for label, times in found.items() for _ in range(times)], np.float64)
        for side, found in counts.items()})


def _rare(sides: Mapping[Side, Sequence[Example]], counts: Counts, settings: Settings) -> Noticed | None:
    """Labels that hardly stand in the training rows; that one stands in a single row is told where it is learnt."""
    train = counts.get("train", Counter())
    names = sorted(train, key=lambda name: (-train[name], name))
    rare = {name for name in names if 1 < train[name] < settings.rare * train[names[0]]}
    if not rare:
        return None
    found = Found()
    for example in _with(sides["train"], rare):
        found.add(example)
    least = [name for name in reversed(names) if name in rare]
    what = f"{len(rare)} of {len(names)} labels have less than {settings.rare:.0%} of the rows of " \
        f"{quoted(names[0])} ({train[names[0]]}): " \
        + ", ".join(f"{quoted(name)} ({train[name]})" for name in least[:12]) \
        + (f" and {len(least) - 12} more" if len(least) > 12 else "")
    return noticed(settings, "audit.rare_label", what, found.rows, "add rows with them, join them into one label, or "
                   "weigh them: `task: {type: classify, weights: balanced}`", count=found.count)


def _written(sides: Mapping[Side, Sequence[Example]], counts: Counts, settings: Settings) -> Noticed | None:
    """Labels that are the same one but for case and blanks."""
    ways: dict[str, list[str]] = {}
    total: Counter[str] = sum(counts.values(), Counter())
    for label in sorted(total, key=lambda name: (-total[name], name)):
        ways.setdefault(plain(label), []).append(label)
    double = [labels for labels in ways.values() if len(labels) > 1]
    if not double:
        return None
    odd = {label for labels in double for label in labels[1:]}
    found = Found()
    for examples in sides.values():
        for example in _with(examples, odd):
            found.add(example, " / ".join(example.labels or ()))
    what = f"{len(double)} label(s) are written in more than one way: " + "; ".join(
        ", ".join(f"{quoted(label)} ({total[label]})" for label in labels) for labels in double[:12])
    return noticed(settings, "audit.label_spelling", what, found.rows, "write each in one way, or name in "
                   "`data.columns` another column for the label", count=found.count)


def _with(examples: Sequence[Example], labels: set[str]) -> Iterator[Labelled]:
    return (example for example in examples
            if isinstance(example, Labelled) and not labels.isdisjoint(example.labels or ()))
