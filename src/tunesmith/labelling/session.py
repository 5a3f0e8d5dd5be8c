"""A person labels row after row: what they are shown, and what becomes of what they type. No terminal is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..reading.naming import FROM_ROW
from .answers import Kind, Unclear
from .file import LabelFile
from .items import Item, shown
from .rows import DIGEST, labelled

SKIP, UNDO, STOP, HELP = "s", "u", "q", "?"
KEYS: Final = f"Enter accepts what is suggested; {SKIP} skips the row, {UNDO} undoes the last one, {STOP} stops"
LONGEST: Final = 4000  # characters of a row that are shown
COLUMN: Final = 100  # characters of another column
COLUMNS: Final = 8


@dataclass(slots=True)
class Session:
    """Rows in the order in which they are asked about, and what was decided so far.

    by: who decides, "" where nobody says; working: the answer to the present row so far.
    """

    items: Sequence[Item]
    kind: Kind
    file: LabelFile
    by: str = ""
    place: int = 0
    stopped: bool = False
    accepted: int = 0
    corrected: int = 0
    skipped: int = 0
    working: Any = None
    _done: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin()

    @property
    def finished(self) -> bool:
        """Whether nothing more is asked."""
        return self.stopped or self.place >= len(self.items)

    @property
    def item(self) -> Item:
        """The present row."""
        return self.items[self.place]

    def head(self) -> str:
        """Which row it is, and how far one has come."""
        decided = self.accepted + self.corrected
        return f"row {self.place + 1} of {len(self.items)}, {decided} labelled: {self.item.where}"

    def body(self) -> list[str]:
        """The row, what is suggested, and what can be chosen."""
        item = self.item
        text = "\n".join(shown(item.example))
        lines = [text if len(text) <= LONGEST else f"{text[:LONGEST]}… and {len(text) - LONGEST:,} characters more"]
        return [line for line in (*lines, self._others(), self._suggested(), *self.kind.choices(item)) if line]

    def take(self, words: str) -> list[str]:
        """Do what was typed, and say what became of it where that is not the next row."""
        typed = words.strip()
        if typed == HELP:
            return self._help()
        if typed == STOP:
            self.stopped = True
            return []
        if typed == SKIP:
            self.skipped += 1
            self._next("skipped")
            return []
        if typed == UNDO:
            return self._undo()
        try:
            typed.encode()
            answer, final = (self.working, True) if not typed else self.kind.read(typed, self.item, self.working)
            if answer is None:
                raise Unclear(f"nothing is suggested here: type {self.kind.keys}")
        except UnicodeEncodeError:
            return ["what was typed cannot be written as text; type it again"]
        except Unclear as unclear:
            return [str(unclear)]
        self.working = answer
        if not final:
            return [f"now: {self.kind.told(answer, self.item)}", "Enter takes it"]
        self._decide(answer)
        return []

    def as_json(self) -> dict[str, int]:
        """What was done, in numbers."""
        return {"labelled": self.accepted + self.corrected, "accepted": self.accepted, "corrected": self.corrected,
                "skipped": self.skipped, "left": len(self.items) - self.accepted - self.corrected}

    def _decide(self, answer: Any) -> None:
        offered = self.item.offered
        self.file.append(labelled(self.item, self.kind, answer, self.by))
        accepted = offered is not None and offered.answer == answer
        self.accepted += accepted
        self.corrected += not accepted
        self._next("accepted" if accepted else "corrected")

    def _next(self, what: str) -> None:
        self._done.append((self.place, what))
        self.place += 1
        self._begin()

    def _undo(self) -> list[str]:
        if not self._done:
            return ["there is nothing to undo: rows of an earlier time stay as they are"]
        self.place, what = self._done.pop()
        if what == "skipped":
            self.skipped -= 1
        else:
            self.file.take_back()
            self.accepted -= what == "accepted"
            self.corrected -= what == "corrected"
        self._begin()
        return [f"undone: the row that was {what} is asked again"]

    def _begin(self) -> None:
        offered = None if self.finished else self.item.offered
        self.working = offered.answer if offered is not None else None

    def _suggested(self) -> str:
        item = self.item
        if item.offered is None:
            return ""
        offered = item.offered
        sure = [] if offered.score is None else [f"{offered.of} {offered.score:.2f}".lstrip()]
        rest = sorted(((score, name) for name, score in offered.scores.items() if name != offered.answer), reverse=True)
        sure += [f"next {rest[0][1]} {rest[0][0]:.2f}"] if rest and isinstance(offered.answer, str) else []
        return f"suggested: {self.kind.told(offered.answer, item)}" + (f" ({', '.join(sure)})" if sure else "")

    def _others(self) -> str:
        """The row's other columns, each shortened: a person may know by them what the text does not say."""
        said = "\n".join(shown(self.item.example))
        told = [
            f"{name}: {value if len(str(value)) <= COLUMN else str(value)[:COLUMN] + '…'}"
            for name, value in self.item.row.values.items()
            if name not in (FROM_ROW, DIGEST) and isinstance(value, str | int | float) and str(value) not in ("", said)
            and str(value) not in said.splitlines() and f": {value}" not in said]
        return f"({'; '.join(told[:COLUMNS])})" if told else ""

    def _help(self) -> list[str]:
        return [*self.kind.every(), f"answer with {self.kind.keys}", "`=` before an answer takes it as it is typed",
                KEYS]
