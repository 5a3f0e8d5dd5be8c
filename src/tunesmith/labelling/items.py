"""Rows that a person is to label: each with what is asked of it, and a digest by which it is known again."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ..data import written
from ..data.ask import asked
from ..data.ledger import Ledger
from ..data.load import way
from ..reading.files import find
from ..reading.header import Header
from ..reading.naming import FROM_ROW, WORDS, columns_of_lines
from ..reading.read import Way, rows
from ..recipe import Section
from ..records import Conversation, Example, Finding, Labelled, Pair, Question, Row, Tagged

ANSWERED = ("labels", "tags", "answer", "references", "answers", "text", "starts", "language", "id")  # none of it asks


REMEDY = ("say in `data.columns` which column it is", "say which it is: `--column text=NAME`")  # there is no recipe


@dataclass(frozen=True, slots=True)
class Offered:
    """What a model suggests. doubt: the larger, the less sure it is; score: how sure, by the measure `of`.

    scores: of every label, where there are labels.
    """

    answer: Any
    doubt: float
    score: float | None = None
    of: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """A row to label, what it is understood as, and what a model suggests."""

    row: Row
    example: Example
    digest: str
    offered: Offered | None = None

    @property
    def where(self) -> str:
        """Where it stands: in the file that it was first drawn from, if it says so."""
        return str(self.row.values.get(FROM_ROW) or self.row.where)


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of some files that are still to be labelled; copies: rows that ask the same as another."""

    items: tuple[Item, ...]
    findings: tuple[Finding, ...]
    rows: int
    copies: int
    done: int


def digest_of(example: Example) -> str:
    """16 hexadecimal digits of what is asked: rows that ask the same have the same, whatever they are answered with."""
    told = {name: value for name, value in written.told(example).items() if name not in ("group", "source")}
    if isinstance(example, Conversation):
        told["messages"] = told["messages"][: asked_turns(example)]
    elif isinstance(example, Labelled):
        told = {"kind": told["kind"], "text": example.text, "second": example.second}
    else:
        told = {name: value for name, value in told.items() if name not in ANSWERED}
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=8).hexdigest()


def asked_turns(example: Conversation) -> int:
    """How many turns come before the answer: the last of the assistant's."""
    places = [place for place, turn in enumerate(example.messages) if turn.role == "assistant"]
    return places[-1] if places else len(example.messages)


def read(
    paths: Sequence[str], done: set[str], *, format: Section | None = None, columns: Mapping[str, str] | None = None,
    takes: tuple[type[Example], ...] = (), header: Header = None, base_folder: Path = Path(),
) -> Found:
    """Every row that asks something new, in the order of the files; `done` are the digests of those labelled before.

    format, columns, header: as the run's recipe has them; takes: the examples of its task; by what the first row looks
    like where there is no run: words to tag, or a text to label. Raises Misuse for paths that are no files.
    """
    files, aside = find(paths, base_folder)
    ledger, read_as = Ledger(), way(format, header)
    ledger.add(*aside)
    by = Way(header, "words") if read_as.by == "blocks" or not takes else read_as
    stream: Iterator[Row | Finding] = chain.from_iterable(
        rows(file, base_folder=base_folder, way=by) for file in files)
    if not takes:
        takes, stream = _kind(stream)
    held: deque[Row] = deque()
    seen: set[str] = set()
    items: list[Item] = []
    count = copies = passed = 0
    for each in asked(_held(stream, held), format, columns or {}, takes=takes, header=header):
        if isinstance(each, Finding):
            ledger.add(replace(each, remedy=each.remedy.replace(*REMEDY)))
            continue
        row, digest = _row(held, each.where), digest_of(each)
        count += 1
        passed += digest in done and digest not in seen
        copies += digest in seen
        if digest not in seen and digest not in done:
            items.append(Item(row, each, digest))
        seen.add(digest)
    return Found(tuple(items), ledger.findings(), count, copies, passed)


def _kind(stream: Iterator[Row | Finding]) -> tuple[tuple[type[Example], ...], Iterator[Row | Finding]]:
    """What the first row asks for, and all rows."""
    begun: list[Row | Finding] = []
    for each in stream:
        begun.append(each)
        if isinstance(each, Row):
            break
    values = begun[-1].values if begun and isinstance(begun[-1], Row) else {}
    named = [*(name for name in WORDS if name in values), *columns_of_lines(values)]
    words = any(isinstance(values[name], list) for name in named)
    return (Tagged,) if words else (Labelled,), chain(begun, stream)


def _held(stream: Iterator[Row | Finding], held: deque[Row]) -> Iterator[Row | Finding]:
    for each in stream:
        if isinstance(each, Row):
            held.append(each)
        yield each


def _row(held: deque[Row], where: str) -> Row:
    """The row that an example was made of; those before it made none."""
    while held[0].where != where:
        held.popleft()
    return held.popleft()


def shown(example: Example) -> list[str]:
    """What is asked, for a person: a line or more."""
    if isinstance(example, Labelled):
        return [example.text] if example.second is None else [f"first: {example.text}", f"second: {example.second}"]
    if isinstance(example, Pair):
        return [example.prompt]
    if isinstance(example, Conversation):
        return [f"{turn.role}: {turn.content}" for turn in example.messages[: asked_turns(example)]]
    if isinstance(example, Question):
        return [f"context: {example.context}", f"question: {example.question}"]
    return [] if isinstance(example, Tagged) else [example.text]
