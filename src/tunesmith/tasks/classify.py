"""Texts, or pairs of texts, and what they are: one class, several labels, or a number.

The head is transformers' own for sequence classification, with the names of the labels in its configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat
from torch import Tensor

from ..contracts import Given, Model
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents import labels
from ..encoding.documents.lengths import fitted
from ..encoding.proofs.labels import proof
from ..encoding.tokens.codec import Codec
from ..errors import Misuse, raise_all
from ..losses.classification import binary_cross_entropy, cross_entropy, squared_error
from ..metrics import accuracy, kappa, macro_f1, mae, micro_f1, mse, pearson, precision, recall, roc_auc, spearman
from ..models.asking import outputs
from ..models.label_probe import label_probe
from ..records import Batch, Document, Example, Finding, Head, Labelled, Loss, Prediction, Rows

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Labelled,)
cut: Final = "between examples"
generates: Final = False
# the first that has something to say of the predictions is primary: micro_f1 of labels, accuracy of a class, pearson
metrics: Final = (micro_f1, accuracy, macro_f1, precision, recall, roc_auc, kappa, pearson, spearman, mae, mse)
prepare = unchanged
TOGETHER: Final = 256  # rows: enough to put those of like length together, few enough to keep in memory


class Settings(BaseModel):
    """What the labels are, and how much each counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    kind: Literal["auto", "single", "multi", "regression"] = "auto"
    """Whether a row has one label, several, or a number. `auto` sees it in the training rows and says it.

    Rows with none or several labels are `multi`; numbers with a fraction are `regression`; whole numbers are classes
    until you set `regression`.
    """

    weights: Literal["none", "balanced"] | dict[str, PositiveFloat] = "none"
    """How much a label counts in the loss: all the same, rare ones more (`balanced`), or by name (`{spam: 3}`).

    Above 0; a label that is not named counts 1. `balanced` gives every class the same say in sum; of several labels a
    row it gives a label's rows as much as all others. Try it where rare labels are never predicted.
    """

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Of rows with several labels: the probability from which on a label is predicted.

    Between 0 and 1. Lower it where labels are missed; choose it on other rows than the test's.
    """


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """One output a class or label, those of the training rows, or one number. Raises Problems."""
    found = labels.head(labels.labelled(examples), settings.kind)
    named = settings.weights if isinstance(settings.weights, dict) else {}
    if found.problem == "regression" and settings.weights != "none":
        raise Misuse("labels.weights", "numbers have no classes that could be weighted", "task.weights",
                     "leave `weights` out, or set `kind: single` where the labels are classes")
    raise_all([
        Misuse("labels.weights", f"`{name}` is weighted, and no training row has that label", "task.weights",
               "correct the name, or take it out")
        for name in named if name not in found.labels
    ])
    return found


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example one document, whose first row stands for what the text is."""
    rows = labels.labelled(examples)
    for row, document in zip(rows, labels.documents(rows, codec), strict=True):
        learnt = labels.unlearnable(row, head)
        if isinstance(learnt, Finding):
            yield [], [learnt]
            continue
        document.weights[0] = 1.0
        document.targets[0] = learnt if head.problem == "single" else 0
        yield [replace(document, document_columns={labels.LEARNT: learnt})], []


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Cross entropy of the class, of each label, or the squared distance from the number; one term an example."""
    outputs_DC, learnt_D = model.outputs(batch), batch.document_columns[labels.LEARNT]
    if model.head.problem == "regression":
        return squared_error(outputs_DC, learnt_D, batch)
    weights_C = _weights(model.head, settings)
    if model.head.problem == "multi":
        return binary_cross_entropy(outputs_DC, learnt_D, batch, weights_C)
    return cross_entropy(outputs_DC, learnt_D, batch, weights_C)


def _weights(head: Head, settings: Settings) -> Tensor | None:
    """(C,) what each label counts; None where all count the same."""
    if settings.weights == "none":
        return None
    if isinstance(settings.weights, dict):
        return torch.tensor([settings.weights.get(name, 1.0) for name in head.labels], dtype=torch.float64)
    counts_C = torch.tensor(head.counts, dtype=torch.float64)
    if head.problem == "multi":
        return ((head.rows - counts_C) / counts_C).clamp_min(1 / head.rows)
    return head.rows / (len(counts_C) * counts_C)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What each text is, with the probability of every label. A text that is too long is read as far as it fits."""
    codec: Codec = given.codec
    rows = labels.labelled(examples)
    for start in range(0, len(rows), TOGETHER):
        together = rows[start : start + TOGETHER]
        made = list(labels.documents(together, codec))
        said = outputs(model, [fitted(document, codec.longest) for document in made])
        for place, (row, document, found_C) in enumerate(zip(together, made, said, strict=True), start):
            found = _prediction(place, row, _scores(found_C, model.head), model.head, settings)
            yield replace(found, unread=max(0, len(document) - codec.longest))


def _scores(outputs_C: Tensor, head: Head) -> list[float]:
    """Probabilities, or the number."""
    wide = outputs_C.double()
    found = {"single": wide.softmax(-1), "multi": wide.sigmoid(), "regression": wide}[head.problem]
    return found.tolist()


def _prediction(place: int, row: Labelled, scores: Sequence[float], head: Head, settings: Settings) -> Prediction:
    """What the scores say of a row, and what the row itself says."""
    output, expected = _told(scores, head, settings), _expected(row, head)
    prompt = row.text if row.second is None else f"{row.text}\n{row.second}"
    return Prediction(place, prompt=prompt, text=_shown(output), reference=_shown(expected), output=output,
                      expected=expected)


def _expected(row: Labelled, head: Head) -> dict[str, Any]:
    if head.problem == "multi":
        return {} if row.labels is None else {"labels": list(row.labels)}
    label = "".join(row.labels or ())
    if head.problem == "single":
        return {"label": label} if label else {}
    value = labels.number(label)
    return {} if value is None else {"value": value}


def _told(scores: Sequence[float], head: Head, settings: Settings) -> dict[str, Any]:
    if head.problem == "regression":
        return {"value": scores[0]}
    # six digits: more than float32 has to say, and a third of the room in files of many classes
    named = {name: float(f"{score:.6g}") for name, score in zip(head.labels, scores, strict=True)}
    if head.problem == "single":
        return {"label": head.labels[max(range(len(scores)), key=scores.__getitem__)], "scores": named}
    return {"labels": [name for name, score in named.items() if score >= settings.threshold], "scores": named}


def _shown(told: Mapping[str, Any]) -> str:
    """For a person."""
    if "value" in told:
        return f"{told['value']:.4g}"
    return str(told.get("label", "")) or ", ".join(told.get("labels", ())) or ("none" if told else "")


def baselines(
    model: Model, learnt: Rows, held: Rows, settings: Settings, *, given: Given
) -> Mapping[str, Sequence[Prediction]]:
    """`majority` says the most frequent label of every text, or the `mean` number; and a `linear probe`."""
    targets_E = torch.from_numpy(np.stack([document.document_columns[labels.LEARNT] for document in learnt.documents]))
    documents, rows = list(held.documents), labels.labelled(held.examples)
    shares = (torch.bincount(targets_E) / len(targets_E) if model.head.problem == "single" else
              targets_E.double().mean(0).reshape(-1)).tolist()
    simplest = "mean" if model.head.problem == "regression" else "majority"
    probed = label_probe(model, list(learnt.documents), documents, targets_E, model.head.problem)
    return {
        simplest: [_often(document.example, rows[document.example], shares, model.head, settings)
                   for document in documents],
        "linear probe": [_prediction(document.example, rows[document.example], _scores(found_C, model.head), model.head,
                                     settings) for document, found_C in zip(documents, probed, strict=True)],
    }


def _often(place: int, row: Labelled, shares: Sequence[float], head: Head, settings: Settings) -> Prediction:
    """What training rows have most often; of several labels at least one, for to say none would be no rival."""
    found = _prediction(place, row, shares, head, settings)
    if head.problem == "multi" and not found.output["labels"]:
        label = head.labels[max(range(len(shares)), key=shares.__getitem__)]
        found = replace(found, text=label, output={**found.output, "labels": [label]})
    return found
