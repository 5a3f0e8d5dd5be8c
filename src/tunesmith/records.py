"""The data that crosses borders between rooms: frozen, and no torch at import.

Letters of shape suffixes: T tokens of a document, M rows of a batch (all its tokens in one flat line), S supervised
rows of a batch, D documents, E examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .examples import Alike as Alike
from .examples import Answer as Answer
from .examples import Call as Call
from .examples import Conversation as Conversation
from .examples import Example as Example
from .examples import Labelled as Labelled
from .examples import Message as Message
from .examples import Pair as Pair
from .examples import Question as Question
from .examples import Row as Row
from .examples import Tagged as Tagged
from .examples import Text as Text
from .verdicts import Elsewhere as Elsewhere
from .verdicts import Figure as Figure
from .verdicts import Finding as Finding
from .verdicts import Looked as Looked
from .verdicts import Measured as Measured
from .verdicts import Noticed as Noticed
from .verdicts import Seen as Seen
from .verdicts import Severity as Severity
from .verdicts import Verdict as Verdict

if TYPE_CHECKING:
    from torch import Tensor

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("train", "validation", "test")
OF_TARGET = "of_target"  # the token column of documents of a source and its target: 0 in the source, 1 in the target
SEGMENT = "segment"  # the token column of documents of two texts: 0 in the first, 1 in the second


@dataclass(frozen=True, slots=True)
class Head:
    """What stands on the network that a task trains, by transformers' kinds of models.

    labels: the names of what it tells apart, in the order of its outputs; problem: of a `sequence`, how its outputs are
    read, of a `span`, whether there may be no answer; parts: where a task trains several heads on one network, each by
    the name of its part; scheme: of a `token` head, how its labels spell entities; counts, rows: of a `sequence`, how
    many training rows have each label, and how many there are.
    """

    kind: Literal["causal", "masked", "encoder-decoder", "sequence", "token", "span", "none", "several"] = "causal"
    labels: tuple[str, ...] = ()
    problem: Literal["", "single", "multi", "regression", "no answer"] = ""
    parts: Mapping[str, Head] = field(default_factory=dict)
    scheme: str = ""
    counts: tuple[int, ...] = ()
    rows: int = 0

    def as_json(self) -> dict[str, Any]:
        """For a lineage, which a run is opened from."""
        return {"kind": self.kind, "labels": list(self.labels), "problem": self.problem,
                "parts": {name: part.as_json() for name, part in self.parts.items()}, "scheme": self.scheme,
                "counts": list(self.counts), "rows": self.rows}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Head:
        """The head that `as_json` told of."""
        return cls(told["kind"], tuple(told["labels"]), told["problem"],
                   {name: cls.from_json(part) for name, part in told["parts"].items()}, told["scheme"],
                   tuple(told["counts"]), told["rows"])


def _no_ends() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Document:
    """An example, or a part of one, encoded.

    ids, targets: (T,) int64; weights: (T,) float32. Row t predicts `targets[t]`, which is `ids[t + 1]`, with
    `weights[t]` (0: not trained), so token t + 1 is supervised where `weights[t] > 0`. `example` is the index of the
    example in its side; documents of one example are never parted. `text` is the rendered text that `ids` spell, and
    `ends[t]` the character at which token t ends in it. Documents to train on have neither: they are for a reader, so
    `find_ends` looks for the ends only when somebody asks.

    both_ways: the network reads the document in both directions; row t then learns `targets[t]` of its own place
    (a tag, a class, the id under a mask), nothing is shifted, and no row is left out when it is packed.
    """

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    example: int
    text: str = ""
    find_ends: Callable[[], NDArray[np.int64]] = field(default=_no_ends, compare=False, repr=False)
    token_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    document_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    both_ways: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ends(self) -> NDArray[np.int64]:
        """(T,) the character of the text at which each token ends."""
        return self.find_ends()

    @property
    def supervised(self) -> NDArray[np.bool_]:
        """(T,) whether token t is a target of the loss, or in its place something else."""
        if self.both_ways:
            return self.weights > 0
        return np.concatenate([[False], self.weights[:-1] > 0])


@dataclass(frozen=True, slots=True)
class Position:
    """Where the data stands, as something that can be written down.

    `cursor` is JSON; `pending` holds documents that were made and not yet trained on; `done_share` (0 to 1) is how
    much of the whole training is behind, which the schedule reads.
    """

    cursor: Mapping[str, Any]
    done_share: float = 0.0
    pending: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A part of what is trained on: the examples from `start` to before `end`, and their share of all rows taken.

    `cycle` is what the seed of its order is named by; "" for the training file's own rows.
    """

    name: str
    share: Fraction
    start: int
    end: int
    cycle: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """In which order examples are trained on, and how many make one optimiser step.

    `steps` is the number of optimiser steps of the whole training; `set_aside` names examples to pass over. `sources`
    has the parts that are mixed by their shares, the training file's first; none where nothing is mixed in.
    """

    batch_size: int
    seed: int
    epochs: float
    steps: int
    set_aside: frozenset[int] = frozenset()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """The documents of one optimiser step, or a piece of it, packed flat.

    ids (-1 on virtual rows), positions, targets, weights, document_of: (M,); borders: (D + 1,) first row of each
    document, and M; supervised: (S,) rows with a weight; examples: (D,) index into example_ids of each document;
    example_ids: (E,). `after` is the position in the data once this batch is trained on.
    """

    ids: Tensor
    positions: Tensor
    targets: Tensor
    weights: Tensor
    document_of: Tensor
    borders: tuple[int, ...]
    supervised: Tensor
    examples: Tensor
    example_ids: tuple[int, ...]
    documents: tuple[Document, ...]
    after: Position | None = None
    token_columns: Mapping[str, Tensor] = field(default_factory=dict)
    document_columns: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Rows that are computed."""
        return int(self.ids.shape[0])


@dataclass(frozen=True, slots=True)
class Loss:
    """terms: (E,) with the graph, one sum for each example; weights: (E,). The loss is sum(terms) / sum(weights)."""

    terms: Tensor
    weights: Tensor
    also: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step that was taken.

    loss: nats per unit of weight, before the step; weight: what the gradients were divided by; rate: the learning
    rate used; gradient_norm: before clipping; tokens: rows computed; seconds: of this step.
    """

    number: int
    loss: float
    weight: float
    rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    after: Position
    also: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of one example.

    term, weight: the summed loss in nats and its weight (teacher-forced); text: the generated answer;
    reference: what the example has there; stopped_by: how the generation ended; bytes: of UTF-8 that the targets of
    the loss spell, where they are text.

    output: what was predicted, as `tunesmith predict` writes it (`label`, `scores`, `entities`, `answer`, …); empty
    where the answer is `text` or nothing was asked; expected: what the example has in its place, under the same names;
    unread: tokens of the row that were not read, as it is too long.
    """

    example: int
    term: float = 0.0
    weight: float = 0.0
    prompt: str = ""
    text: str = ""
    reference: str = ""
    stopped_by: Literal["end", "length", ""] = ""
    tokens: int = 0
    output: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    unread: int = 0

    @property
    def answered(self) -> bool:
        """Whether there is something to show: a text that was generated, or what a head said."""
        return bool(self.stopped_by or self.output)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one side, and the documents that they were encoded to: `Document.example` is an index in examples.

    A row that was dropped, because it was too long, has no document.
    """

    examples: Sequence[Example]
    documents: Sequence[Document]
