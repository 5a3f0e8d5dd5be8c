"""The ledger of a cleaning: a line for every row that was changed, cut or dropped, and sums that must add up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from ..runs import plain
from .settling import Outcome


@dataclass(slots=True)
class Tally:
    """What became of rows, by step. came: those that were read, or could not be; made: by cutting others."""

    came: int = 0
    made: int = 0
    kept: int = 0
    touched: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    @property
    def adds_up(self) -> bool:
        """Whether every row that came or was made is kept or dropped."""
        return self.came + self.made == self.kept + self.dropped.total()

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; of a row that was cut, its pieces come one after the other."""
        self.came += outcome.piece == 1
        self.made += outcome.piece > 1
        if outcome.values is None:
            self.dropped[outcome.told[-1][0]] += 1
            return
        self.kept += 1
        self.touched += bool(outcome.told)
        self.changed.update(name for name, _ in outcome.told)


def entry(outcome: Outcome, line: int) -> bytes:
    """The line of an outcome, nothing for a row that was kept as it came. line: its own in the output, from 1."""
    if not outcome.told and outcome.pieces == 1:
        return b""
    told: dict[str, Any] = {"where": outcome.where, "what": what(outcome)}
    if outcome.pieces > 1:
        told |= {"piece": outcome.piece, "of": outcome.pieces}
    if outcome.values is not None:
        told["line"] = line
    told["steps"] = [{"step": name, "why": why} for name, why in outcome.told]
    return as_line(told)


def what(outcome: Outcome) -> Literal["dropped", "cut", "changed"]:
    """What became of a row that was not kept as it came."""
    return "dropped" if outcome.values is None else "cut" if outcome.pieces > 1 else "changed"


def as_line(values: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON, its columns in their order; what JSON has no number for is null."""
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps({name: plain.plain(value) for name, value in values.items()}, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write(outcome: Outcome, tally: Tally, rows: BinaryIO, ledger: BinaryIO) -> None:
    """Count an outcome, and write its row and its line of the ledger."""
    tally.add(outcome)
    if outcome.values is not None:
        rows.write(as_line(outcome.values))
    ledger.write(entry(outcome, tally.kept))
