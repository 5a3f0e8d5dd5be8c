"""The rows that two files of labels share, matched by what is asked, and what each file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.load import load
from ..errors import Refusal
from ..records import Conversation, Example, Finding, Labelled, Pair, Question, Tagged
from .items import asked_turns, digest_of


@dataclass(frozen=True, slots=True)
class Both:
    """A row that stands in two files: as either has it."""

    digest: str
    first: Example
    second: Example


@dataclass(frozen=True, slots=True)
class Matched:
    """What two files share; rows, and those that only one of them has. twice: rows that stand in a file again."""

    rows: tuple[Both, ...]
    only_first: int
    only_second: int
    twice: int
    findings: tuple[Finding, ...]


def matched(first: str, second: str, *, base_folder: Path = Path()) -> Matched:
    """The rows of two files that ask the same; of one that stands in a file twice the last counts.

    Raises Misuse for paths that are no files, Refusal where no row of one is a row of the other, or the files answer in
    two ways.
    """
    loaded = [load(path, base_folder=base_folder) for path in (first, second)]
    ones, others = ({digest_of(example): example for example in each.examples} for each in loaded)
    rows = tuple(Both(digest, one, others[digest]) for digest, one in ones.items() if digest in others)
    if not rows:
        raise Refusal("label.nothing_shared", f"no row of {first} ({len(ones)} rows) is a row of {second} "
                      f"({len(others)} rows)", first, "compare two files that were labelled from the same rows")
    odd = next((row for row in rows if type(row.first) is not type(row.second)), None)
    if odd is not None:
        raise Refusal("label.two_kinds", "the two files answer the same row in two ways", odd.second.where,
                      f"label both with the same task; the other is {odd.first.where}")
    twice = sum(len(each.examples) for each in loaded) - len(ones) - len(others)
    return Matched(rows, len(ones) - len(rows), len(others) - len(rows), twice,
                   tuple(finding for each in loaded for finding in each.findings if finding.severity == "error"))


def answer_of(example: Example) -> Any:
    """What a file says of a row: labels in their order, tags, or a text."""
    if isinstance(example, Labelled):
        return list(example.labels or ())
    if isinstance(example, Tagged):
        return list(example.tags or ())
    if isinstance(example, Conversation):
        return "".join(turn.content for turn in example.messages[asked_turns(example):][:1])
    if isinstance(example, Question):
        return example.answers[0].text if example.answers else ""
    return example.answer if isinstance(example, Pair) else ""


def asked_of(example: Example) -> Mapping[str, Any]:
    """What is asked, as columns that `tunesmith label` reads."""
    if isinstance(example, Labelled):
        return {"text": example.text, **({} if example.second is None else {"second": example.second})}
    if isinstance(example, Tagged):
        return {"tokens": list(example.words)}
    if isinstance(example, Conversation):
        return {"messages": [{"role": turn.role, "content": turn.content}
                             for turn in example.messages[: asked_turns(example)]]}
    if isinstance(example, Question):
        return {"question": example.question, "context": example.context}
    return {"prompt": example.prompt} if isinstance(example, Pair) else {"text": example.text}
