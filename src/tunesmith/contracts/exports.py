"""A run in another program's format, and as that program opens it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..records import Document
from .models import Model
from .numbers import Floats

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel


class Export(Protocol):
    """Writes a run in another program's format, and opens it again there.

    source: an `exports._source.Source`, what an export is made from beside the model. What is written is held against
    the run by the workflow, with whatever `reload` opens; the file itself has no say in that.
    """

    @property
    def Settings(self) -> type[BaseModel]: ...
    @property
    def library(self) -> str:
        """What opens the folder, under the Hub's name for it."""

    def refuse(self, source: Any, settings: Any) -> None:
        """Raise Misuse where this run cannot leave in this format; asked before any weight is read."""

    def lossy(self, settings: Any) -> Lossy | None:
        """What the run may lose on its way out, where that is meant: then it is measured, and not merely compared.

        None where what is reloaded must say what the run says.
        """

    def precision(self, source: Any, settings: Any) -> torch.dtype | str:
        """The number format that the weights will be written in, by its name where torch has none."""

    def meant(self, source: Any, settings: Any) -> Model:
        """The model that will be written, computing in float32: merged and rounded where the format does that."""

    def write(self, model: Any, source: Any, folder: Path, settings: Any) -> None:
        """Put what `meant` gave into an empty folder, all that the other program needs, under its own file names."""

    def reload(self, folder: Path, source: Any) -> Reloaded | Reads:
        """The folder as the program that will use it opens it: from its files alone, nothing of the run's.

        Raises Refusal, or OSError, ValueError, KeyError, RuntimeError or SafetensorError, where it cannot be opened.
        """

    def uses(self, source: Any) -> Sequence[Any]:
        """How the folder is used with each program, as `runs.card.Use`, for its model card."""


@dataclass(frozen=True, slots=True)
class Lossy:
    """How much worse than the run an export may be by the metric that decides, in that metric's own units.

    worst: None: a twentieth of what the run itself reaches.
    """

    worst: float | None = None


class Reloaded(Protocol):
    """An export, opened by another program. It computes in float32, so that only what was written can differ."""

    @property
    def tolerance(self) -> float:
        """By how much, in nats, its own arithmetic may put a log-probability off: measured, and stated."""

    @property
    def stop(self) -> frozenset[int]:
        """The ids on which it ends an answer."""

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text in which control tokens are meant, with nothing put before or after."""

    def render(
        self, turns: Sequence[Mapping[str, Any]], given: Mapping[str, Any], *, generation_prompt: bool
    ) -> str:
        """The conversation as its own template writes it. Raises ValueError where it has none.

        turns, given: what the template is handed, and what it is told beside (`tools`, `enable_thinking`).
        """

    def answer(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Pairs of a prompt's index and the ids of its greedy answer, the one that ended it included."""

    def score(self, ids: Sequence[int], start: int) -> Scored:
        """What it thinks of the ids from `start` on, each after all that stands before it."""


class Reads(Protocol):
    """An export that says something of whole texts, opened by another program; it computes in float32."""

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Every token's text and id."""

    def encode(self, text: str, second: str | None = None) -> Sequence[int]:
        """The ids of a text, or of two, between its own marks."""

    def says(self, document: Document) -> Floats:
        """What its head says of a document, each of its rows or the whole; without a head its vector."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Log-probabilities, in nats, at each place of an answer: of the id that stands there, and of the likeliest."""

    given: Floats
    likeliest: Floats
