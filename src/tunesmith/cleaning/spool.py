"""Rows on disk between two steps of cleaning, for those steps that see all rows before they judge one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Came
from ..records import Finding, Row
from .ledger import as_line
from .settling import Outcome, Plan, viewed

WIDTH = 8  # bytes of a place in the file


class Spool:
    """Outcomes in a file without a name, which is gone with the process; read back in their order."""

    def __init__(self, plan: Plan, folder: Path | None) -> None:
        self._plan = plan
        self._lines = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._places = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def add(self, outcome: Outcome) -> None:
        """Write an outcome; one that was not dropped is a row that further steps see."""
        if outcome.values is not None:
            self._places.write(np.uint64(self._lines.tell()).tobytes())
        self._lines.write(as_line(packed(outcome)))

    def outcomes(self) -> Iterator[Outcome]:
        """All that was added."""
        self._lines.flush()
        at = 0
        while True:
            self._lines.seek(at)  # others read in between
            line = self._lines.readline()
            if not line:
                return
            at += len(line)
            yield unpacked(json.loads(line))

    def __iter__(self) -> Iterator[Came]:
        for outcome in self.outcomes():
            if outcome.values is not None:
                yield viewed(Row(outcome.values, outcome.where), self._plan).came

    def where(self, row: int) -> str:
        """The `file:line` of a row, counted from 0."""
        self._places.flush()
        self._places.seek(row * WIDTH)
        self._lines.seek(int(np.frombuffer(self._places.read(WIDTH), np.uint64)[0]))
        return unpacked(json.loads(self._lines.readline())).where

    def close(self) -> None:
        """Give the space back."""
        self._lines.close()
        self._places.close()


def packed(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON."""
    finding = outcome.finding and outcome.finding.as_json()
    return {"told": [outcome.where, outcome.told, outcome.piece, outcome.pieces, finding], "values": outcome.values}


def unpacked(told: Mapping[str, Any]) -> Outcome:
    """The outcome that was packed."""
    where, steps, piece, pieces, finding = told["told"]
    return Outcome(where, told["values"], tuple((name, why) for name, why in steps), piece, pieces,
                   Finding(**finding) if finding else None)
