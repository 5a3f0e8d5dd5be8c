"""What the files of each open folder promise, and what they may ask of a model and a codec: types only.

A *module* satisfies a protocol here: `tasks/chat.py` is a Task, `metrics/rouge_l.py` a Metric. Members are read-only
properties, because modules cannot be checked otherwise. `tests/contracts` calls every promise of every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .records import Batch, Document, Example, Finding, Head, Loss, Order, Position, Prediction, Row, Rows

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel
    from torch import Tensor

Floats = NDArray[np.float64]


class Codec(Protocol):
    """A tokenizer and its template: text to ids and back.

    `stop` are the ids on which generation ends; `context` the longest document that the base can read.
    """

    @property
    def vocabulary(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> int | None: ...
    @property
    def stop(self) -> frozenset[int]: ...
    def encode(self, text: str, *, control: bool = False) -> Encoded: ...
    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and for each the character of the text at which it ends; the ends are found when asked for."""

    ids: list[int]
    find_ends: Callable[[], list[int]] = field(compare=False, repr=False)

    @property
    def ends(self) -> list[int]:
        """As many as ids."""
        return self.find_ends()


class Model(Protocol):
    """A network in training or in use. What a fast path replaces; tasks and the engine know only this."""

    @property
    def learns(self) -> Mapping[str, torch.nn.Parameter]:
        """The fp32 masters of what learns, by name; the optimiser steps these."""

    @property
    def network(self) -> torch.nn.Module:
        """The transformers model, for generation."""

    @property
    def device(self) -> torch.device: ...

    def part(self, name: str) -> Model:
        """What one of several heads says on the same network; the model itself where it has one head."""

    def states(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, H) hidden states after the final norm, of the rows wanted (default: all)."""

    @property
    def head_is_new(self) -> bool:
        """Whether the base had no such head, so that its weights were drawn."""

    @property
    def head(self) -> Head:
        """What stands on the network, with the names of its outputs."""

    def log_probabilities(self, batch: Batch) -> Tensor:
        """(S,) float32 log-probability of the target of each supervised row, with the graph; of a language model."""

    def outputs(self, batch: Batch, rows: Tensor | None = None) -> Tensor:
        """(R, L) float32 what the network's own head says of the rows wanted, with the graph.

        rows: default, of a `sequence` head the one row that stands for each document, of others all.
        """

    def learning(self) -> AbstractContextManager[None]:
        """Dropout is on while the context lasts, and off at all other times."""

    def zero(self) -> None:
        """Forget all gradients."""

    def gradients(self) -> None:
        """Hand the gradients to the masters, after the last backward pass of a step."""

    def publish(self) -> None:
        """Copy the masters into the weights that compute, after an optimiser step."""

    def untuned(self) -> AbstractContextManager[None]:
        """The base: adapter off. Raises Misuse where the base weights themselves learn."""


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


class Adapter(Protocol):
    """Which weights learn, and how."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    @property
    def weights_file(self) -> str:
        """The file name, in the ecosystem's format, of what learns."""

    def attach(self, network: torch.nn.Module, settings: Any, *, seed: int) -> tuple[str, ...]:
        """Make the network learn; returns the names (as in `named_parameters`) of what learns."""

    def merge(self, network: torch.nn.Module) -> None:
        """Fold what was attached into plain weights; the network is then one of the base's own shape."""

    def off(self, network: torch.nn.Module) -> AbstractContextManager[None]:
        """The base's own answers while the context lasts."""

    def parameters(self, shapes: Mapping[str, tuple[int, ...]], settings: Any) -> int:
        """How many numbers will learn, from the shapes of the network's weights."""

    def disk_name(self, name: str) -> str:
        """The name in the file for a name in the network."""

    def configuration(self, network: torch.nn.Module, settings: Any, base: str) -> Mapping[str, Mapping[str, Any]]:
        """JSON files that stand beside the weights so that the ecosystem can open them: file name to content."""


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

    def convert(self, row: Row, settings: Any, *, answered: bool = True) -> Sequence[Example]:
        """The examples of a row. answered: False where the row may lack what is to be predicted."""


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


class Optimiser(Protocol):
    """Builds a torch optimiser over parameter groups; a group's `scale` multiplies its learning rate."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def build(
        self, groups: Sequence[Mapping[str, Any]], learning_rate: float, settings: Any
    ) -> torch.optim.Optimizer: ...


@dataclass(frozen=True)
class RunFacts:
    """What an observer is told of a run: its name and folder, its options with secrets blotted out, where it begins.

    step: the last step that stands, 0 where the run begins.
    """

    name: str
    folder: Path
    options: Mapping[str, Any]
    step: int


class Observer(Protocol):
    """Is told of a run, elsewhere than in its folder; it may fail, and never changes what it is told of."""

    @property
    def Settings(self) -> type[BaseModel]: ...
    def require(self, settings: Any) -> None:
        """Raise Misuse where what it needs is not installed or not set up: asked by `check`, before anything starts."""

    def open(self, facts: RunFacts, settings: Any) -> Any:
        """Whatever the other functions need, which they are handed first."""

    def step(self, handle: Any, number: int, values: Mapping[str, float]) -> None: ...
    def evaluation(self, handle: Any, number: int, values: Mapping[str, float]) -> None: ...
    def verdict(self, handle: Any, number: int, word: str, values: Mapping[str, float]) -> None: ...
    def close(self, handle: Any) -> None: ...


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

    def precision(self, source: Any, settings: Any) -> torch.dtype:
        """The number format that the weights will be written in."""

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


class Reloaded(Protocol):
    """An export, opened by another program. It computes in float32, so that only what was written can differ."""

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
