"""The loss of a model on documents it does not learn from, one prediction an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..contracts import Model, Task
from ..encoding.packing import pack, placed, portions
from ..records import Batch, Document, Loss, Prediction


def loss_of(model: Model, task: Task, settings: Any) -> Callable[[Batch], Loss]:
    """The task's loss of a batch, computed where the model is."""

    def loss(batch: Batch) -> Loss:
        return task.loss(model, placed(batch, model.device), settings)

    return loss


def score(loss: Callable[[Batch], Loss], documents: Sequence[Document], *, tokens: int) -> dict[int, Prediction]:
    """Teacher-forced loss of each example, by its index. `tokens`: rows computed at a time, at most where possible."""
    found: dict[int, Prediction] = {}
    for together in portions(documents, tokens):
        batch = pack(together)
        with torch.inference_mode():
            result = loss(batch)
        for example, term, weight in zip(
            batch.example_ids, result.terms.tolist(), result.weights.tolist(), strict=True
        ):
            found[example] = Prediction(example=example, term=term, weight=weight)
    return found
