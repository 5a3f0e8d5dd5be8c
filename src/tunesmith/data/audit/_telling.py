"""What all checks share: how grave their findings are, and how many rows a finding shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, Protocol

from ...errors import SHOWN_IN_FULL
from ...records import Example, Finding, Noticed, Seen
from ...text.personal import masked
from ..texts import texts

Severity = Literal["off", "note", "warning", "error"]
LONGEST = 200


class _Chosen(Protocol):
    @property
    def severity(self) -> Severity: ...


@dataclass(slots=True)
class Found:
    """The rows that a finding is about: how many, and the first of them, however many there are."""

    count: int = 0
    rows: list[Seen] = field(default_factory=list)

    def add(self, example: Example, said: str | None = None) -> None:
        """Count a row; said: what of it is shown, else its beginning."""
        self.count += 1
        if len(self.rows) < SHOWN_IN_FULL:
            self.rows.append(shown(example, said))


def noticed(
    settings: _Chosen, kind: str, what: str, rows: Sequence[Seen], remedy: str, *, count: int | None = None,
    severity: Severity | None = None,
) -> Noticed:
    """A finding as grave as the check's settings say, at the first of its rows; count: of all it is about.

    severity: where the check has one of its own for this finding, which is not `off`.
    """
    grave: Any = severity or settings.severity  # the workflow asks no check that is off
    where = rows[0].where if rows else ""
    return Noticed(Finding(grave, kind, what, where, remedy), len(rows) if count is None else count,
                   tuple(islice(rows, SHOWN_IN_FULL)))


def seen(examples: Iterable[Example]) -> list[Seen]:
    """The rows as a finding shows them: the beginning of what the first twenty say, personal data masked."""
    return [shown(example, None if index < SHOWN_IN_FULL else "") for index, example in enumerate(examples)]


def shown(example: Example, said: str | None = None) -> Seen:
    """One row as a finding shows it; said: what of it, else the beginning of all that it says."""
    return Seen(example.where, short(" / ".join(texts(example)) if said is None else said))


def short(text: str) -> str:
    """At most 200 characters of a text, on one line, personal data in it masked."""
    line = " ".join(masked(text[:10 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"
