"""The loss of a model on documents it does not learn from, one prediction an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..contracts import Model, Task
from ..encoding.batches.packing import pack, placed, portions
from ..encoding.tokens.codec import Codec
from ..records import Batch, Document, Loss, Prediction

Spelling = Callable[[Document], int]


def loss_of(model: Model, task: Task, settings: Any) -> Callable[[Batch], Loss]:
    """The task's loss of a batch, computed where the model is."""

    def loss(batch: Batch) -> Loss:
        return task.loss(model, placed(batch, model.device), settings)

    return loss


def score(
    loss: Callable[[Batch], Loss], documents: Sequence[Document], *, tokens: int, spelling: Spelling | None = None
) -> dict[int, Prediction]:
    """Teacher-forced loss of each example, by its index. `tokens`: rows computed at a time, at most where possible.

    spelling: tells how many bytes a document's targets spell, where they are text.
    """
    found: dict[int, Prediction] = {}
    for together in portions(documents, tokens):
        batch = pack(together)
        with torch.inference_mode():
            result = loss(batch)
        for example, term, weight in zip(
            batch.example_ids, result.terms.tolist(), result.weights.tolist(), strict=True
        ):
            found[example] = Prediction(example=example, term=term, weight=weight)
        if spelling is not None:
            for document in together:
                known = found[document.example]
                found[document.example] = replace(known, bytes=known.bytes + spelling(document))
    return found


def spelling_of(codec: Codec) -> Spelling:
    """Counts the bytes that the targets of a document spell."""

    def count(document: Document) -> int:
        if document.both_ways:
            return 0
        spelt = int(codec.bytes_of[document.targets[document.weights > 0]].sum())
        begins = document.weights[0] > 0 and document.ids[0] == codec.bos
        return spelt - (codec.adds_blank and bool(begins))

    return count
