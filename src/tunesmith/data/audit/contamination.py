"""Held-out rows that share words in a row with training rows, 13 or all that they have; and rows of benchmarks.

Found as `data/passages` says. Rows in a group that is trained on are left out here: near-duplicates are of one group,
and a group on two sides is told as `data.leak`, with `data.leaks` to drop it. What is told here has too little in
common for that: a sentence of a long row, a question inside an answer.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from ...contracts import Looking
from ...errors import SHOWN_IN_FULL, Misuse
from ...reading.quoting import pairs, quoted
from ...reading.read import rows
from ...recipe.kinds import STRICT, Files
from ...recipe.located import FILE
from ...records import Example, Finding, Looked, Noticed, Row, Seen, Side
from ...scratch import common
from ...text.passages import Runs, passages
from ...text.shingles import words
from ..groups import digest, numbers
from ..texts import texts
from ._telling import Severity, noticed, short


class Settings(BaseModel):
    """How many words in a row make a row contaminated, and where to look for them beside the held-out rows."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    words: int = Field(default=13, ge=5, le=100)
    """How many words in a row a row has in common with a training row, 5 to 100; shorter rows are looked for whole.

    Try 20 where rows share phrases that a form prescribes.
    """

    shortest: int = Field(default=8, ge=3, le=100)
    """The fewest words of a row that is looked for, 3 to 100.

    8 as for GPT-3: fewer are a phrase that anybody says. Try 5 where rows are short questions that must be new.
    """

    common: int = Field(default=10, ge=1)
    """In how many training rows such words may stand before they are a phrase that says nothing, 1 or more.

    A row that has no other words is told all the same.
    """

    files: Annotated[Files | None, FILE] = None
    """Files of benchmarks that the model will be measured by elsewhere: `[mmlu.jsonl, gsm8k.jsonl]`.

    Paths count from the folder of the recipe. Each text of their rows is looked for that is long enough, and the
    longest of each row.
    """


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows that something is measured by: what they are called, how they are read, and what to do with those told.

    Each row has its place, what is shown of it, and the texts to look for.
    """

    name: str
    rows: Callable[[], Iterator[tuple[str, str, Sequence[str]]]]
    remedy: str


@dataclass(slots=True)
class _Texts:
    """Whose the texts are that are looked for, by their numbers: the part, and the row of it. counts: rows of parts."""

    parts: Sequence[_Part]
    part: array[int]
    row: array[int]
    counts: list[int]

    def __iter__(self) -> Iterator[str]:
        for number, part in enumerate(self.parts):
            for row, (_, _, said) in enumerate(part.rows()):
                self.counts[number] += 1
                for text in said:
                    self.part.append(number)
                    self.row.append(row)
                    yield text


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding for each side, entry of `evaluation.also` and file with such rows."""
    train = sides.get("train", ())
    parts = [*_own(sides, given), *(_file(file, settings.words) for file in settings.files or ())]
    asked = _Texts(parts, array("q"), array("q"), [0] * len(parts))
    found: list[dict[int, int]] = [{} for _ in parts]

    def learnt() -> Iterator[str]:
        return (_said(example) for example in train)

    for each in passages(asked, learnt, Runs(settings.words, settings.common, settings.shortest)):
        found[asked.part[each.text]].setdefault(asked.row[each.text], each.other)
    told = [_told(part, some, count, train, settings)
            for part, some, count in zip(parts, found, asked.counts, strict=True) if some]
    unread = [each for file in settings.files or () for each in _unread(file)]
    return Looked((*told, *unread))


def _told(
    part: _Part, found: Mapping[int, int], count: int, train: Sequence[Example], settings: Settings
) -> Noticed:
    """The finding of a part, its first rows read once more."""
    shown = sorted(found)[:SHOWN_IN_FULL]
    rows = {row: (where, text) for row, (where, text, _) in enumerate(islice(part.rows(), shown[-1] + 1))
            if row in found}
    places = [(rows[row][0], train[found[row]].where) for row in shown]
    seen = [Seen(where, f"as in {Path(other).name}: {short(rows[row][1])}")
            for row, (where, other) in zip(shown, places, strict=True)]
    what = f"{len(found)} of {count} rows of {part.name} ({len(found) / count:.1%}) have {settings.words} words in a " \
        f"row, or all that they say, in common with training rows: {pairs(places[:3], 'as', len(found))}"
    return noticed(settings, "audit.contamination", what, seen, part.remedy, count=len(found))


def _own(sides: Mapping[Side, Sequence[Example]], given: Looking) -> list[_Part]:
    """What the recipe itself measures by."""
    held = {f"the {side} side": examples for side, examples in sides.items() if side != "train" and examples}
    also = {f"`evaluation.also.{name}`": examples for name, examples in given.also.items()}
    measured = np.concatenate([numbers(examples) for examples in (*held.values(), *also.values())] or [numbers(())])
    shared = set(common(numbers(sides.get("train", ())), measured).tolist())

    def part(name: str, examples: Sequence[Example], remedy: str) -> _Part:
        return _Part(name, lambda: (
            (example.where, _said(example), () if digest(example.group) in shared else (_said(example),))
            for example in examples), remedy)

    return [
        *(part(name, examples, "take these rows out of one of the two sides, or keep them on one: by the column of the "
               "document that they are cut from in `data.group`, or by a lower `data.near`")
          for name, examples in held.items()),
        *(part(name, examples, "take these rows out of the files of `data.train`, or out of those of `evaluation.also`")
          for name, examples in also.items()),
    ]


def _said(example: Example) -> str:
    return "\n".join(texts(example))


def _file(file: str, least: int) -> _Part:
    """A benchmark. Raises Misuse where there is no such file."""
    if not Path(file).is_file():
        raise Misuse("audit.no_file", f"there is no file {quoted(file)}", "data.audit",
                     "correct `files` of the check `contamination`; paths count from the folder of the recipe")

    def each() -> Iterator[tuple[str, str, Sequence[str]]]:
        for row in rows(file):
            if isinstance(row, Row):
                said = sorted(_leaves(row.values), key=len, reverse=True)
                yield row.where, "\n".join(said), [*said[:1], *(one for one in said[1:] if len(words(one)) >= least)]

    return _Part(quoted(Path(file).name), each,
                 "take the rows out of the files of `data.train`: what that file measures was learnt")


def _leaves(value: Any) -> Iterator[str]:
    """Every text in a row, however deep it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _leaves(one)


def _unread(file: str) -> Iterator[Noticed]:
    """What could not be read of a benchmark: it is looked for no row of it, which is no error of the run."""
    broken = [found for found in rows(file) if isinstance(found, Finding) and found.severity == "error"]
    if broken:
        yield Noticed(replace(broken[0], severity="warning"), len(broken),
                      tuple(Seen(found.where, found.what) for found in broken[:SHOWN_IN_FULL]))
