"""A run, opened for training: model, adapter, optimiser, state, and what was chosen once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...records import Batch, Document, Loss, Order
from ...runs.checkpoints import Checkpoint
from ...runs.folder import Run
from ..preparing import order
from ..preparing.prepare import Prepared

if TYPE_CHECKING:
    from ...models.model import LanguageModel
    from ...recipe.sections import Recipe
    from ...training.state import TrainState

# Rows computed at a time: enough to keep two cores busy with matrices, and a few GB of saved values for a small model.
PIECE_TOKENS = 2048
BYTES_OF_A_LEARNT_NUMBER = 12  # its float32 master and AdamW's two means


@dataclass(frozen=True)
class Session:
    """What the loop needs. chosen: what a resume reads instead of choosing again; digests: what a checkpoint is of."""

    run: Run
    recipe: Recipe
    prepared: Prepared
    model: LanguageModel
    state: TrainState
    order: Order
    documents: Sequence[Document]
    chosen: Mapping[str, Any]
    digests: Mapping[str, str]

    @property
    def loss(self) -> Callable[[Batch], Loss]:
        """The task's loss of a batch."""
        from ...inference.scoring import loss_of

        return loss_of(self.model, self.recipe.task.module, self.recipe.task.settings)

    def cut(self, batch: Batch) -> Iterable[Batch]:
        """The batch in pieces that fit."""
        from ...encoding.batches.packing import cut

        if self.recipe.task.module.cut == "whole":
            return [batch]
        return cut(batch, self.chosen["piece_tokens"])

    def rate(self, before: float, after: float) -> float:
        """The learning rate of the step between two shares of the training."""
        from ...training.schedules import factor

        training = self.recipe.training
        return training.learning_rate * factor(training.schedule, training.warmup, before=before, after=after)

    @property
    def checkpoint_bytes(self) -> int:
        """About how much room the next checkpoint needs."""
        return BYTES_OF_A_LEARNT_NUMBER * sum(parameter.numel() for parameter in self.model.learns.values())


def choose(recipe: Recipe) -> dict[str, Any]:
    """Device, dtype, threads and cut for this machine: chosen once, kept in the lineage."""
    from ...kernels import build
    from ...models import precision

    device = precision.device(recipe.training.device)
    dtype, reason = precision.choose(recipe.base.dtype, device)
    return {
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "dtype_reason": reason,
        "threads": threads(),
        "kernels": build.digest(),
        "piece_tokens": PIECE_TOKENS,
    }


def threads() -> int:
    """How many threads this process computes with."""
    import torch

    return torch.get_num_threads()


def open_session(
    run: Run, recipe: Recipe, prepared: Prepared, chosen: Mapping[str, Any], digests: Mapping[str, str]
) -> Session:
    """Everything built, at step 0."""
    import torch

    from ...models import load, precision
    from ...models.model import LanguageModel
    from ...training.state import TrainState, groups

    training, task = recipe.training, recipe.task
    dtype, device = precision.SETTINGS[chosen["dtype"]], torch.device(chosen["device"])
    network = load.network(prepared.base, dtype=dtype, device=device, head=prepared.head, seed=training.seed,
                           dropout=recipe.base.dropout)
    model = LanguageModel(
        network, recipe.adapter.module, recipe.adapter.settings, seed=training.seed, head=prepared.head)
    optimiser = training.optimiser.module.build(
        groups(model), training.learning_rate, training.optimiser.settings
    )
    documents = task.module.prepare(model, prepared.documents["train"], task.settings)
    state = TrainState(model, optimiser)
    planned = order.order(recipe, documents, prepared.sources)
    return Session(run, recipe, prepared, model, state, planned, documents, chosen, digests)


def lay_in(session: Session, checkpoint: Checkpoint | None) -> int:
    """Lay a checkpoint into the fresh state; returns the length of the records that belong to it."""
    from ...training.state import load

    if checkpoint is None:
        return 0
    load(session.state, checkpoint.folder, checkpoint.facts)
    return int(checkpoint.facts["records_bytes"])


def learning(session: Session) -> Iterator[str]:
    """What a person should know before the first step, in lines."""
    from ...kernels import build

    chosen, order, state = session.chosen, session.order, session.state
    yield f"computing on {chosen['device']} in {chosen['dtype_reason']}"
    paths = session.model.paths
    slow = sorted({path.reason for path in paths if not path.fast})
    if paths:
        why = f"; the others not: {', '.join(slow)}" if slow else ""
        yield f"{sum(path.fast for path in paths)} of {len(paths)} layers computed by hand{why}"
    if chosen.get("kernels", "torch") != build.digest():
        yield "the kernels are not those that this run began with: it continues, but not bit for bit"
    yield f"documents are {session.model.layout}"
    if session.model.head_is_new:
        yield "the base has no head for this task: a new one is drawn from the seed"
    yield "learning " + ", ".join(
        f"{kind} {part:,} of {whole:,}" for kind, (part, whole) in session.model.learnt_share().items() if part
    )
    begun = f", from step {state.number}" if state.number else ""
    training = session.recipe.training
    ends = (f"; `training.epochs` {training.epochs:g} ends before `training.steps` {training.steps}"
            if training.steps and order.steps < training.steps else "")
    yield f"{order.steps} steps of {order.batch_size} examples{begun}{ends}"
