"""The consumers of the engine's steps, in their fixed order: evaluate, remember, record, and last save.

A checkpoint saved before an evaluation would make a resume pass over it.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...contracts import Given
from ...errors import Refusal
from ...inference.scoring import score
from ...records import Batch, Loss, Step
from ...runs import checkpoints
from ...runs.records import Journal
from ...runs.signals import Stop
from ...training import engine
from ...training.state import save as save_state
from ..events import Event, Judged, Stepped
from ..preparing import order
from .session import Session

Ending = Literal["done", "early", "signal"]


@dataclass
class Progress:
    """What this process has done, for its outcome and for the time that is left."""

    began: float
    tokens: int = 0
    steps: int = 0
    loss: float | None = None


def loop(
    session: Session, records: Journal, timings: Journal, stop: Stop, progress: Progress,
    *, observe: Callable[[Event], None],
) -> Ending:
    """Train until the data, the patience or somebody ends it; all that is worth keeping is then saved."""
    state, recipe = session.state, session.recipe
    if state.memory.get("stopped"):
        return "early"
    for step in steps(session, session.loss):
        if progress.steps == 0:
            refuse_unreached(session)
        improved = evaluate(session, step, records, observe)
        out_of_patience = remember_patience(session, improved)
        record(session, step, records, timings, progress)
        # read once: a request that comes after the save must wait for the next step, or that step would not be saved
        asked = stop.requested
        last = step.number == session.order.steps or out_of_patience or asked
        if last or improved or due(step.number, recipe.training.save_every):
            save(session, records)
        observe(stepped(session, step, progress))
        if out_of_patience:
            return "early"
        if asked and step.number < session.order.steps:
            return "signal"
    return "done"


def steps(session: Session, loss: Callable[[Batch], Loss]) -> Iterator[Step]:
    """The engine's steps from where the state stands, down that loss."""
    recipe, state = session.recipe, session.state
    task, settings = recipe.task.module, recipe.task.settings
    batches = task.batches(
        session.model, session.documents, settings, session.order, state.position,
        given=Given(lambda: session.prepared.codec),
    )
    return engine.steps(
        state, batches, loss, rate=session.rate, cut=session.cut, clip=recipe.training.clip,
        seed=recipe.training.seed, tell=order.by_source(session.order) if session.order.sources else None,
    )


def due(step: int, every: int) -> bool:
    """Whether something that happens every so many steps (0: never) happens at this one."""
    return every > 0 and step % every == 0


def refuse_unreached(session: Session) -> None:
    """Raise Refusal where the backward pass has not reached a tensor that should learn. Zeros count as reached."""
    unreached = session.model.unreached()
    if unreached:
        raise Refusal(
            "model.unreached", f"{len(unreached)} of {len(session.model.learns)} tensors that should learn were not"
            f" reached by the backward pass, `{unreached[0]}` first", "adapter",
            "name other `adapter.targets`; these are not part of what the loss is computed from",
        )


def evaluate(session: Session, step: Step, records: Journal, observe: Callable[[Event], None]) -> bool:
    """Measure the validation rows where it is due; whether the loss is the lowest so far, which memory keeps."""
    documents = session.prepared.documents["validation"]
    every = session.recipe.evaluation.every
    if not documents or not every or not (due(step.number, every) or step.number == session.order.steps):
        return False
    found = score(session.loss, documents, tokens=session.chosen["piece_tokens"])
    if not any(each.weight for each in found.values()):  # such as pairs that are all below a threshold
        return False
    loss, also = order.held_out(session.order, session.prepared.held, found)
    memory = session.state.memory
    best = memory.get("best")
    improved = best is None or loss < best["loss"]
    memory["evaluations"] = memory.get("evaluations", 0) + 1
    memory["waited"] = 0 if improved else memory.get("waited", 0) + 1
    if improved:
        memory["best"] = {"step": step.number, "loss": loss}
    records.append({"kind": "evaluation", "step": step.number, "loss": loss, "rows": len(found), **also})
    observe(Judged(step.number, loss, improved))
    return improved


def remember_patience(session: Session, improved: bool) -> bool:
    """Whether as many evaluations as `training.patience` brought nothing; memory keeps that it ended so."""
    patience = session.recipe.training.patience
    over = not improved and patience > 0 and session.state.memory.get("waited", 0) >= patience
    if over:
        session.state.memory["stopped"] = "early"
    return over


def record(session: Session, step: Step, records: Journal, timings: Journal, progress: Progress) -> None:
    """A line of what the recipe determines, and a line of what the machine did."""
    records.append({
        "kind": "step", "step": step.number, "loss": step.loss, "weight": step.weight, "rate": step.rate,
        "gradient_norm": step.gradient_norm, "tokens": step.tokens, **step.also,
    })
    timings.append({
        "step": step.number, "tokens": step.tokens, "seconds": step.seconds, "memory_bytes": peak_memory(),
    })
    progress.steps += 1
    progress.tokens += step.tokens
    progress.loss = step.loss


def save(session: Session, records: Journal) -> None:
    """A checkpoint of the state as it stands, after its records."""
    state, training = session.state, session.recipe.training
    best = state.memory.get("best")
    checkpoints.save(
        session.run, state.number, lambda folder: write(session, folder),
        facts={**state.facts(), "records_bytes": records.bytes, "digests": dict(session.digests)},
        keep=training.keep, best=best["step"] if best else None, space=session.checkpoint_bytes,
    )


def write(session: Session, folder: Path) -> None:
    """The state's tensors, and what the ecosystem needs beside them to open the adapter."""
    from ...runs.durable import write_json

    save_state(session.state, folder)
    model, base = session.model, session.prepared.base
    for name, content in model.adapter.configuration(
        model.network, session.recipe.adapter.settings, str(base.run or base.folder)
    ).items():
        write_json(folder / name, content)


def stepped(session: Session, step: Step, progress: Progress) -> Stepped:
    """The event of a step."""
    seconds = time.monotonic() - progress.began
    left = session.order.steps - step.number
    return Stepped(
        step=step.number, total=session.order.steps, loss=step.loss, rate=step.rate,
        gradient_norm=step.gradient_norm, tokens_per_second=step.tokens / max(step.seconds, 1e-9),
        memory_bytes=peak_memory(), seconds_left=left * seconds / progress.steps,
    )


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
