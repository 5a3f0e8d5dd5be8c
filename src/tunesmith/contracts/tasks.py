"""What is learnt, how it is proved, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..records import Batch, Document, Example, Finding, Head, Loss, Order, Position, Prediction, Rows
from .models import Model
from .numbers import Floats

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Given:
    """What the workflow hands a task because the task lives too low to fetch it.

    open_codec: gives the codec; a run whose tokens were kept from an earlier start opens none unless somebody asks.
    whole: whether the examples to predict are all that there are, so that they may be held against each other.
    """

    open_codec: Callable[[], Any] | None = None
    judges: Mapping[str, Any] | None = None
    tasks: Mapping[str, Any] | None = None
    whole: bool = False

    @property
    def codec(self) -> Any:
        """Tokenizer and template."""
        return self.open_codec() if self.open_codec else None


class Proof(Protocol):
    """Reads documents back as they were made, and holds them against their examples by other means."""

    def prove(self, made: Sequence[Document], example: Example) -> Sequence[Finding]:
        """Every violation in the documents of an example, as an error at its row."""

    def notes(self) -> Sequence[Finding]:
        """What many examples shared, told once each."""


class Task(Protocol):
    """What is learnt: which examples it takes, how they are encoded, its loss, its predictions, its metrics."""

    @property
    def takes(self) -> tuple[type[Example], ...]: ...
    @property
    def cut(self) -> Literal["between examples", "whole"]: ...
    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that make sense here; the first is primary."""

    @property
    def generates(self) -> bool:
        """Whether answers come token by token, so that only `evaluation.generate` rows are asked; else all are."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def head(self, examples: Sequence[Example], settings: Any) -> Head:
        """What stands on the network, from the training examples, which may name its labels.

        Raises Refusals for examples from which no head follows, such as one class only.
        """

    def encode(
        self, examples: Sequence[Example], codec: Any, settings: Any, head: Head
    ) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
        """Of each example, in order, its documents and what was noticed; many come at once, so that work is shared."""

    def proof(self, codec: Any, head: Head, settings: Any) -> Proof: ...

    def prepare(self, model: Model, documents: Sequence[Document], settings: Any) -> Sequence[Document]: ...
    def batches(
        self, model: Model, documents: Sequence[Document], settings: Any, order: Order, position: Position, *,
        given: Given,
    ) -> Iterator[Batch]: ...
    def loss(self, model: Model, batch: Batch, settings: Any) -> Loss: ...
    def predict(
        self, model: Model, examples: Sequence[Example], settings: Any, *, given: Given, max_new_tokens: int,
        batch_size: int,
    ) -> Iterator[Prediction]:
        """What the model says of each example that has something to be asked; those without an answer too."""

    def baselines(
        self, model: Model, learnt: Rows, held: Rows, settings: Any, *, given: Given
    ) -> Mapping[str, Sequence[Prediction]]:
        """What stands in for a base that has no head for the task: each baseline's predictions on the held-out rows.

        model: the untuned base, of which only `states` mean anything. Empty where the base itself can be asked.
        """


class Metric(Protocol):
    """Statistics of a row, and how the statistics of many rows combine into one value."""

    @property
    def higher_is_better(self) -> bool: ...
    @property
    def unit(self) -> str:
        """What a value is counted in, as a report says it."""

    @property
    def needs(self) -> Literal["loss", "text", "output"]:
        """`loss`: read from the teacher-forced pass; `text`: of generated answers; `output`: of `Prediction.output`."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def measure(self, prediction: Prediction, example: Example, settings: Any) -> Sequence[float]:
        """As many finite numbers of every row; none of a prediction that the metric has nothing to say of."""

    def combine(self, statistics_RK: Floats, counts_BR: Floats) -> Floats:
        """(B,) values: one for each draw, `counts_BR[b, r]` times row r."""
