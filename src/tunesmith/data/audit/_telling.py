"""What all checks share: how grave their findings are, and how many rows a finding shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal, Protocol

from ...errors import SHOWN_IN_FULL
from ...records import Example, Finding, Noticed, Seen
from ..personal import masked
from ..texts import texts

Severity = Literal["off", "note", "warning", "error"]
LONGEST = 200


class _Chosen(Protocol):
    @property
    def severity(self) -> Severity: ...


def noticed(
    settings: _Chosen, kind: str, what: str, rows: Sequence[Seen], remedy: str, *, count: int | None = None,
) -> Noticed:
    """A finding as grave as the check's settings say, at the first of its rows; count: of all it is about."""
    severity: Any = settings.severity  # the workflow asks no check that is off
    where = rows[0].where if rows else ""
    return Noticed(Finding(severity, kind, what, where, remedy), len(rows) if count is None else count,
                   tuple(islice(rows, SHOWN_IN_FULL)))


def seen(examples: Iterable[Example]) -> list[Seen]:
    """The rows as a finding shows them: the beginning of what they say, personal data masked."""
    return [Seen(example.where, short(" / ".join(texts(example))) if index < SHOWN_IN_FULL else "")
            for index, example in enumerate(examples)]


def short(text: str) -> str:
    """At most 200 characters of a text, on one line, personal data in it masked."""
    line = " ".join(masked(text).split())
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"
