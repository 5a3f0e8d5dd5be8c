"""Two files of labels held against each other: how far they agree, and the rows to be decided by a third person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data import schemes
from ...errors import Misuse
from ...labelling.agreed import Both, Matched, answer_of, asked_of, matched
from ...labelling.items import shown
from ...records import Example, Labelled, Tagged
from ...text.personal import masked
from .drawing import write

if TYPE_CHECKING:
    from ...evaluation.agreement import Agreement


@dataclass(frozen=True)
class Compared:
    """How far two files agree, and the rows on which they do not.

    disagreements: of each the text, both answers, and where they stand, personal data masked.
    """

    agreement: Agreement
    matched: Matched
    disagreements: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**self.agreement.as_json(), "only_first": self.matched.only_first,
                "only_second": self.matched.only_second, "twice": self.matched.twice,
                "disagreements": list(self.disagreements),
                "findings": [finding.as_json() for finding in self.matched.findings]}


def compare(first: str, second: str, *, output: Path | None = None) -> Compared:
    """How far two people agree on the rows that both labelled; those they do not are written for a third to decide.

    Raises Misuse where the output is there already, and as `data.agreed` does.
    """
    if output is not None and output.exists():
        raise Misuse("label.exists", "the file exists already", str(output), "name another one with `--output`")
    found = matched(first, second)
    scheme = _scheme(found.rows)
    apart = [row for row in found.rows if not _same(row, scheme)]
    if output is not None:
        write([{**asked_of(row.first), **_said(row)} for row in apart], output)
    told = tuple({"text": masked(_text(row.first)),
                  **{name: _masked(value) if name.startswith("said") else value for name, value in _said(row).items()}}
                 for row in apart)
    return Compared(_agreement(found.rows, scheme), found, told)


def _said(row: Both) -> dict[str, Any]:
    """Both answers, and where they stand; under names that no format reads, so that the rows can be labelled again."""
    return {"said_first": _single(answer_of(row.first)), "said_second": _single(answer_of(row.second)),
            "where_first": row.first.where, "where_second": row.second.where}


def _text(example: Example) -> str:
    """What is asked, on one line."""
    words = example.words if isinstance(example, Tagged) else shown(example)
    return " ".join(" ".join(words).split())


def _masked(value: Any) -> Any:
    return masked(value) if isinstance(value, str) else value


def _agreement(rows: Sequence[Both], scheme: str) -> Agreement:
    """By the measure that fits what the rows answer."""
    from ...evaluation import agreement

    if isinstance(rows[0].first, Labelled) and not _fractions(rows):
        return agreement.of_labels(*([tuple(answer_of(each)) for each in side] for side in _sides(rows)))
    if isinstance(rows[0].first, Tagged):
        return agreement.of_entities(*([_entities(answer_of(each), scheme) for each in side]
                                       for side in _sides(rows)))
    return agreement.of_texts(*([", ".join(answer) if isinstance(answer, list) else answer for answer in
                                 map(answer_of, side)] for side in _sides(rows)))


def _sides(rows: Sequence[Both]) -> tuple[list[Any], list[Any]]:
    return [row.first for row in rows], [row.second for row in rows]


def _fractions(rows: Sequence[Both]) -> bool:
    """Whether labels are numbers with a fraction somewhere: agreeing on them by chance has no meaning."""
    labels = [label for side in _sides(rows) for each in side for label in answer_of(each)]
    try:
        return any(not float(label).is_integer() for label in labels if math.isfinite(float(label)))
    except ValueError:
        return False


def _scheme(rows: Sequence[Both]) -> str:
    tags = [answer_of(each) for side in _sides(rows) for each in side if isinstance(each, Tagged)]
    return schemes.recognise(tags) if any(set(each) - {schemes.OUTSIDE} for each in tags) else "iob2"


def _entities(tags: Sequence[str], scheme: str) -> frozenset[tuple[str, int, int]]:
    """The entities of a row; of plain tags each word is one."""
    if scheme == schemes.NONE:
        return frozenset((tag, place, place + 1) for place, tag in enumerate(tags))
    return frozenset((one.type, one.first, one.end) for one in schemes.entities(tags, scheme))


def _same(row: Both, scheme: str) -> bool:
    one, other = answer_of(row.first), answer_of(row.second)
    if isinstance(row.first, Tagged):
        return _entities(one, scheme) == _entities(other, scheme)
    if isinstance(one, list):
        return set(one) == set(other)
    return bool(one.strip() == other.strip())


def _single(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
