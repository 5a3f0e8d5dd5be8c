"""A short training after numbers were taken out: LoRA on the run's own rows and loss, folded in at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..contracts import Given
from ..encoding.batches.packing import cut
from ..errors import Misuse
from ..inference.scoring import loss_of
from ..models.model import LanguageModel
from ..recipe.starred import default
from ..records import Document, Order
from ..training import engine
from ..training.schedules import factor
from ..training.state import TrainState, groups
from ._source import Source

PIECE_TOKENS: Final = 2048
WARMUP, CLIP = 0.1, 1.0


def recovered(
    network: Any, source: Source, documents: Sequence[Document], *, steps: int, rate: float, batch_size: int
) -> tuple[Any, list[float]]:
    """The network once it has learnt for so many steps, a plain one again, and the loss of each step in nats."""
    if not documents:
        raise Misuse("export.no_rows_to_learn", "there is no training row to recover with", "data.train",
                     "set `steps=0`")
    adapter, optimiser = default("adapter", "lora"), default("optimiser", "adamw")
    model = LanguageModel(network, adapter.module, adapter.settings, seed=source.seed, head=source.head)
    state = TrainState(model, optimiser.module.build(groups(model), rate, optimiser.settings))
    task, settings = source.task.module, source.task.settings
    made = task.prepare(model, documents, settings)
    order = Order(batch_size, source.seed, float(steps * batch_size), steps)
    batches = task.batches(model, made, settings, order, state.position, given=Given(lambda: source.codec))
    taken = engine.steps(
        state, batches, loss_of(model, task, settings), clip=CLIP, seed=source.seed,
        rate=lambda before, after: rate * factor("cosine", WARMUP, before=before, after=after),
        cut=lambda batch: [batch] if task.cut == "whole" else cut(batch, PIECE_TOKENS))
    losses = [step.loss for step in taken]
    model.tensors()  # what is stepped late is stepped now
    adapter.module.merge(network)
    return network, losses


def parted(documents: Sequence[Document], most: int) -> tuple[list[Document], list[Document]]:
    """Documents of some examples to measure on, a quarter of them or `most`, and the others to learn from."""
    examples = sorted({document.example for document in documents})
    every = max(4, len(examples) // most)
    aside = set(examples[::every])
    return ([document for document in documents if document.example in aside],
            [document for document in documents if document.example not in aside])
