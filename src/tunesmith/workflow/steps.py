"""The steps of a recipe for a loop of one's own: what the command line does around them is left to the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import Model
from ..errors import Misuse
from ..inference.scoring import score
from ..records import Batch, Loss, Side, Step
from ..runs import folder, lock
from ..runs.records import Journal
from .events import Event, silent
from .preparing.pins import pinned
from .run import Run
from .tuning import loop, train
from .tuning.session import choose, open_session, threads
from .verdict.judge import judge

if TYPE_CHECKING:
    from ..recipe.sections import Recipe
    from .preparing.prepare import Prepared
    from .tuning.session import Session

Compute = Callable[[Model, Batch], Loss]


class Steps:
    """An iterator over the optimiser steps of a recipe; the data has passed its proof, and step 1 is not yet taken.

    Nothing is written, evaluated or stopped unless the loop around it does so: `measure()` gives a held-out loss,
    `finish()` makes a run of what was learnt, and leaving the loop early is fine.
    """

    def __init__(self, session: Session, taking: Iterator[Step], observe: Callable[[Event], None]) -> None:
        self._session, self._taking, self._observe = session, taking, observe
        self._taken: list[Step] = []
        self._run: Run | None = None

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self._run is not None:
            raise StopIteration
        step = next(self._taking)
        if not self._taken:
            loop.refuse_unreached(self._session)
        self._taken.append(step)
        return step

    @property
    def recipe(self) -> Recipe:
        """The recipe that the steps are of."""
        return self._session.recipe

    @property
    def model(self) -> Model:
        """The model in training: `.network` is transformers' module, `.learns` the float32 masters by name."""
        return self._session.model

    @property
    def total(self) -> int:
        """How many optimiser steps the recipe asks for."""
        return self._session.order.steps

    def measure(self, side: Side = "validation") -> float:
        """The task's loss on the rows of one side as the model stands, in nats per supervised token.

        Raises Misuse where that side has no rows.
        """
        documents = self._session.prepared.documents[side]
        if not documents:
            raise Misuse("steps.no_rows", f"the side `{side}` has no rows", f"data.{side}",
                         f"give `data.{side}` a share or files")
        found = score(self._session.loss, documents, tokens=self._session.chosen["piece_tokens"]).values()
        return sum(each.term for each in found) / sum(each.weight for each in found)

    def finish(self) -> Run:
        """The steps taken so far as a run: recipe, records, a checkpoint, and the verdict; the steps end here.

        Raises Misuse before the first step, since there is nothing to keep.
        """
        if self._run is not None:
            return self._run
        if not self._taken:
            raise Misuse("steps.none", "no step was taken, so there is nothing to keep", "steps.finish()",
                         "take a step first, with `next(steps)` or a loop")
        recipe, prepared = self._session.recipe, self._session.prepared
        made = folder.create(_parent(recipe), recipe.run.name)
        session = replace(self._session, run=made)
        with lock.hold(made):
            train.begin(made, recipe, prepared, chosen=session.chosen)
            with Journal(made.records_file) as records, Journal(made.timings_file) as timings:
                progress = loop.Progress(began=0.0)
                for step in self._taken:
                    loop.record(session, step, records, timings, progress)
                loop.save(session, records)
                judge(made, recipe, prepared, self._observe)
                records.append({"kind": folder.DONE, "step": session.state.number, "stopped": "done"})
        self._run = Run(made.path)
        return self._run


def steps(recipe: Recipe, *, loss: Compute | None = None, observe: Callable[[Event], None] = silent) -> Steps:
    """Prepare the recipe's data, prove it, load its base, and give the steps of its training, the first not yet taken.

    loss: from the model and a batch of M rows to a `Loss` of one term and one weight for each of its E examples, in
    place of the task's; the engine adds terms and weights up over the whole step and divides once. Raises Refusal
    where data, template or model fail their proof; while stepping, Failure where a number is not finite.
    """
    recipe, commits = pinned(recipe)
    prepared = train.proved(recipe, observe)
    session = _session(recipe, prepared, loss, commits)
    return Steps(session, loop.steps(session, _placed(session, loss) if loss else session.loss), observe)


def _session(recipe: Recipe, prepared: Prepared, loss: Compute | None, commits: Mapping[str, Any]) -> Session:
    own = "a program's own"  # the lineage says so: the recipe alone would not give this run again
    chosen = {**choose(recipe), "threads": threads(), "loop": own, "loss": own if loss else "the task's", **commits}
    nowhere = folder.Run(_parent(recipe))  # the folder is made by `finish`, so that a trial leaves nothing behind
    return open_session(nowhere, recipe, prepared, chosen, train.digests(recipe, prepared))


def _placed(session: Session, loss: Compute) -> Callable[[Batch], Loss]:
    """The caller's loss, given batches where the model is."""
    from ..encoding.batches.packing import placed

    return lambda batch: loss(session.model, placed(batch, session.model.device))


def _parent(recipe: Recipe) -> Path:
    return Path(recipe.run.folder)
