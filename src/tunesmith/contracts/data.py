"""What makes rows into examples, and examples worth learning from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..records import Alike, Example, Looked, Row, Side

if TYPE_CHECKING:
    from pydantic import BaseModel

@dataclass(frozen=True, slots=True)
class Asking:
    """How a model that a user named is asked about texts.

    words: with `{text}` for the text, for a model that is spoken with; plain: the same for one that makes one text of
    another, or goes on with it; most: the most tokens of an answer; languages: of the text and of the answer, as a
    tokenizer that marks languages names them.
    """

    words: str
    plain: str = "{text}"
    most: int = 256
    languages: tuple[str, str] = ("", "")


Ask = Callable[[Sequence[str], str, Asking], Sequence[str]]  # texts and the model: its answers, "" where none is whole
Place = tuple[str | int, ...]  # where a text stands in a row: `("messages", 0, "content")`


class Format(Protocol):
    """How rows of one shape become examples."""

    @property
    def makes(self) -> type[Example]: ...
    @property
    def reads(self) -> Literal["records", "blocks", "whole"]: ...
    @property
    def Settings(self) -> type[BaseModel]: ...
    def looks_like(self, fields: Mapping[str, Any]) -> bool: ...
    def columns(self, fields: Mapping[str, Any], settings: Any) -> Iterable[str]:
        """The columns of such a row that `convert` reads; the others are told as unused."""

    def texts(self, fields: Mapping[str, Any], settings: Any) -> Iterable[Place]:
        """Where the texts of such a row stand that may be written anew; none where tags or answers point into them."""

    def convert(self, row: Row, settings: Any, *, answered: bool = True) -> Sequence[Example]:
        """The examples of a row. answered: False where the row may lack what is to be predicted."""


@dataclass(frozen=True)
class Looking:
    """What an audit is handed beside the rows.

    task: the name of what is learnt; longest: the most tokens of a document; count: of texts, how many tokens each has;
    alike: each row that is nearly the same as another, with the first such one, whatever their sides; also: the rows of
    each entry of `evaluation.also`; whole: of rows, how many tokens each has with its template, before any is cut,
    which takes longer than `count`; None where rows cannot be encoded.
    """

    task: str
    longest: int
    count: Callable[[Sequence[str]], NDArray[np.int64]]
    alike: Sequence[Alike] = ()
    also: Mapping[str, Sequence[Example]] = field(default_factory=dict)
    whole: Callable[[Sequence[Example]], NDArray[np.int64]] | None = None


class Audit(Protocol):
    """One thing that is looked for in the rows before anything is learnt from them."""

    @property
    def Settings(self) -> type[BaseModel]:
        """Its options, with `severity`: how grave a finding is where something is found, or `off`."""

    def look(self, sides: Mapping[Side, Sequence[Example]], settings: Any, given: Looking) -> Looked:
        """What was found in the rows, each side read as often as needed but never held; and figures to draw."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a cleaning step made of a row's texts: as many as came, in their order; and why, for the ledger.

    why: what was changed, in kinds and counts and never in the words of the row; or with `dropped` why the row has to
    go; "" where it stays as it was. more: further rows that a row of plain text was cut into, in their order.
    """

    texts: tuple[str, ...]
    why: str = ""
    dropped: bool = False
    more: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Came:
    """What comes to a cleaning step that sees all rows: the texts of one, and its labels, tags or answers as a text."""

    texts: tuple[str, ...]
    beside: str = ""


class Every(Protocol):
    """All rows as they come to a cleaning step, to be read as often as needed and never held."""

    def __iter__(self) -> Iterator[Came]: ...
    def where(self, row: int) -> str:
        """The `file:line` of a row, counted from 0."""


Cleaner = Callable[[tuple[str, ...]], Cleaned]


class Clean(Protocol):
    """One step of cleaning: rewrites the texts of a row, or says that the row has to go."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    @property
    def rewrites(self) -> bool:
        """Whether texts change: rows with tags or answers that point into their text are not given to such a step."""

    @property
    def sees(self) -> Literal["a row", "all rows"]:
        """What it judges by. A step that sees all rows runs after the others, in one place, and only drops."""

    def cleaner(self, settings: Any, every: Every) -> Cleaner:
        """What is called with the texts of one row after the other; a second time over, it changes nothing more.

        every: read only by a step that sees all rows.
        """


class Augment(Protocol):
    """Makes new training rows of old ones; never asked for rows that are held out."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    @property
    def takes(self) -> tuple[type[Example], ...]: ...
    def learnt(self, example: Example, settings: Any) -> Example:
        """A row of any side as the task takes it, where the way makes rows of another kind; else the row as it is."""

    def vary(
        self, examples: Sequence[Example], settings: Any, *, seed: int, ask: Ask
    ) -> Iterator[tuple[int, Example | str]]:
        """New examples, each with the index of the one that it was made from; the same ones by the same seed.

        Where nothing could be made of a row that was drawn, why not, in a few words that many rows share.
        """
