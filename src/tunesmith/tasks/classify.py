"""Texts, or pairs of texts, and the class that each is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from ..contracts import Given, Model
from ..encoding.codec import Codec
from ..encoding.labels import proof
from ..encoding.packing import batches, unchanged
from ..encoding.shift import NO_TARGET
from ..errors import Refusal
from ..losses.classification import cross_entropy
from ..metrics import accuracy
from ..models.asking import outputs
from ..records import SEGMENT, Batch, Document, Example, Finding, Head, Labelled, Loss, Prediction, Rows

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Labelled,)
cut: Final = "between examples"
generates: Final = False
metrics: Final = (accuracy,)
prepare = unchanged
COLUMN: Final = "class"


class Settings(BaseModel):
    """How texts are told apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """The classes of the training rows, sorted by name. Raises Refusal where there is one only."""
    names = sorted({label for example in examples if isinstance(example, Labelled) for label in example.labels or ()})
    if len(names) < 2:
        raise Refusal("labels.one_class", f"the training rows know {len(names)} class(es), and telling apart takes two",
                      examples[0].where,
                      "give rows of another class, or say in `data.columns` which column the label is")
    return Head("sequence", tuple(names), "single")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example one document, whose first row learns the class."""
    places = {name: place for place, name in enumerate(head.labels)}
    for example, document in zip(examples, _documents(examples, codec), strict=True):
        assert isinstance(example, Labelled)
        [label] = example.labels or ("",)
        if label not in places:
            yield [], [Finding("error", "labels.unknown", f"the label `{label}` does not stand in the training rows",
                               example.where, "correct it, or give training rows of that class")]
            continue
        document.targets[0], document.weights[0] = places[label], 1.0
        document.document_columns[COLUMN][...] = places[label]
        yield [document], []


def _documents(examples: Sequence[Example], codec: Codec) -> Iterator[Document]:
    """The texts framed, nothing of what they are said to be."""
    texts = [_text(example) for example in examples]
    for framed in codec.frames.texts(texts):
        ends = framed.spans[:, 1]
        yield Document(
            framed.ids, np.full(len(framed), NO_TARGET, np.int64), np.zeros(len(framed), np.float32), 0,
            find_ends=lambda ends=ends: ends, token_columns={SEGMENT: framed.segments},  # type: ignore[misc]
            document_columns={COLUMN: np.zeros((), np.int64)}, both_ways=True)


def _text(example: Example) -> str | tuple[str, str]:
    assert isinstance(example, Labelled)
    return example.text if example.second is None else (example.text, example.second)


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Cross entropy of each text's class."""
    return cross_entropy(model.outputs(batch), batch.document_columns[COLUMN])


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """The likeliest class of each text, and the probability of every class."""
    names = model.head.labels
    said = outputs(model, list(_documents(examples, given.codec)))
    probabilities_EC = torch.softmax(torch.stack(said), dim=-1)
    for place, (example, found_C) in enumerate(zip(examples, probabilities_EC, strict=True)):
        yield _prediction(place, example, names, found_C.tolist())


def _prediction(place: int, example: Example, names: Sequence[str], scores: Sequence[float]) -> Prediction:
    assert isinstance(example, Labelled)
    best = max(range(len(names)), key=scores.__getitem__)
    text = example.text if example.second is None else f"{example.text}\n{example.second}"
    [label] = example.labels or ("",)
    return Prediction(
        place, prompt=text, text=names[best], reference=label,
        output={"label": names[best], "scores": dict(zip(names, scores, strict=True))},
        expected={"label": label} if example.labels else {},
    )


def baselines(
    model: Model, learnt: Rows, held: Rows, settings: Settings, *, given: Given
) -> Mapping[str, Sequence[Prediction]]:
    """`majority`: every text is of the class that most training rows have."""
    counts = Counter(label for row in learnt.examples if isinstance(row, Labelled) for label in row.labels or ())
    shares = [counts[name] / counts.total() for name in model.head.labels]
    return {"majority": [_prediction(place, example, model.head.labels, shares)
                         for place, example in enumerate(held.examples)]}
