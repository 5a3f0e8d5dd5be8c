"""A run from its beginning or its middle to its verdict: prepared, proved, trained, judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import Busy, Problem, Problems, Refusal, memory_told, raise_all
from ...evaluation import verdict as verdicts
from ...recipe import read, write
from ...recipe.digests import differences, digest
from ...recipe.sections import Recipe
from ...records import Verdict
from ...runs import checkpoints, durable, folder, lineage, lock, signals
from ...runs.folder import Run
from ...runs.records import Journal, cut
from ...runs.redact import redacted
from .. import observers
from ..checking import check_page
from ..checking.check import report
from ..events import Event, Found, Said, silent
from ..monitoring import watching
from ..preparing.pins import kept_commits, pinned
from ..preparing.prepare import Prepared, prepare, refuse
from ..verdict import elsewhere
from ..verdict.judge import judge
from .loop import Progress, loop
from .session import choose, lay_in, learning, open_session, threads

Observe = Callable[[Event], None]
STOPPING = "this step is finished and saved, then it stops; a second Ctrl-C stops at once"


@dataclass(frozen=True)
class Outcome:
    """How a training ended. tokens: rows computed; seconds: that this process took; loss: of the last step.

    talks: whether the run can be spoken with; else it is asked to predict.
    """

    run: Path
    step: int
    loss: float | None
    tokens: int
    seconds: float
    stopped: Literal["done", "early", "signal"]
    verdict: Verdict | None
    talks: bool = True

    def as_json(self) -> dict[str, Any]:
        """The outcome under the names that `train --json` promises."""
        return {
            "run": str(self.run), "step": self.step, "loss": self.loss, "tokens": self.tokens,
            "seconds": round(self.seconds, 3), "stopped": self.stopped,
            "verdict": self.verdict.word if self.verdict else None,
        }


@signals.at_once()
@memory_told()
def train(recipe: Recipe, *, resume: Path | None = None, observe: Observe = silent) -> Outcome:
    """Train and judge; `resume` goes on with a run instead of starting one.

    Raises Refusal, before anything is computed, where data, template or model fail their proof, or where the run to
    go on with was made from something else; Busy where another process holds it.
    """
    if resume is not None:
        return go_on(resume, recipe, observe)
    recipe, commits = pinned(recipe)
    prepared = proved(recipe, observe)
    remember(prepared)
    run = folder.create(Path(recipe.run.folder), recipe.run.name)
    with lock.hold(run):
        begin(run, recipe, prepared, chosen={**choose(recipe), **commits})
        observe(Said(f"run {run.path}"))
        return carry_on(run, recipe, prepared, observe)


def resume(path: Path, *, observe: Observe = silent) -> Outcome:
    """Go on with a run under the recipe that it has."""
    try:
        return go_on(path, None, observe)
    except (Problem, Problems) as error:
        for problem in error.problems if isinstance(error, Problems) else (error,):
            if problem.kind in ("data.missing", "base.unknown"):
                problem.remedy = (f"put it back, or name a recipe with its new place: `tunesmith train RECIPE --resume "
                                  f"{path}`")
        raise


@signals.at_once()
@memory_told()
def go_on(path: Path, recipe: Recipe | None, observe: Observe) -> Outcome:
    """Continue a run from its newest checkpoint that verifies; from its start where it has none."""
    run = folder.open_run(path)
    with lock.hold(run):
        kept = read.read(run.recipe_file)
        if recipe is not None:
            refuse_other_recipe(run, kept, recipe)
        for finding in checkpoints.clean(run):
            observe(Found(finding))
        if folder.status(run).finished:
            observe(Said(f"run {run.path} is finished; for more epochs, start a new run with `base: {run.path}`"))
            return finished(run)
        before = lineage.read(run.lineage_file) if run.lineage_file.exists() else None
        chosen, commits = pinned(recipe or kept, kept_commits(before))
        prepared = proved(chosen, observe, date=before["chosen"]["date"] if before else None)
        if before is None:
            remember(prepared)
            begin(run, chosen, prepared, chosen={**choose(chosen), **commits})
        return carry_on(run, chosen, prepared, observe)


def proved(recipe: Recipe, observe: Observe, *, date: str | None = None) -> Prepared:
    """The data, encoded and proved; raises every refusal together."""
    observers.refuse_missing(recipe)
    elsewhere.refuse_missing(recipe)
    prepared = prepare(recipe, date=date)
    for finding in prepared.findings:
        if finding.severity == "warning":
            observe(Found(finding))
    refuse(prepared.findings)
    notes = sum(finding.severity == "note" for finding in prepared.findings)
    if notes:
        observe(Said(f"{notes} note{'s' if notes > 1 else ''} about the rows: see `check.html` in the run's folder"))
    return prepared


def remember(prepared: Prepared) -> None:
    """Write down the side of every group, where a file of sides is wanted."""
    if prepared.keeping is not None:
        prepared.keeping.write()


def begin(run: Run, recipe: Recipe, prepared: Prepared, *, chosen: Mapping[str, Any] | None = None) -> None:
    """Write down what the run is: the recipe last, which makes the folder a run. chosen: where that is done already."""
    lineage.write(run.lineage_file, lineage.collect(
        digests=digests(recipe, prepared),
        chosen={**(chosen or choose(recipe)), "date": prepared.date, "head": prepared.head.as_json(),
                **({"vocabulary": prepared.learnt.facts} if prepared.learnt else {})},
    ))
    if prepared.learnt is not None:
        durable.write_json(run.vocabulary_file, prepared.learnt.as_json())
    checked = redacted(report(recipe, prepared).as_json())
    durable.write_json(run.check_file, checked)
    durable.write_file(run.check_page_file, check_page.render(run.name, checked).encode())
    durable.write_file(run.recipe_file, write.dump(recipe).encode())


def digests(recipe: Recipe, prepared: Prepared) -> dict[str, str]:
    """What a checkpoint belongs to."""
    return {"recipe": digest(recipe), **prepared.digests}


def refuse_other_recipe(run: Run, kept: Recipe, recipe: Recipe) -> None:
    """Raise a Refusal for each option in which the recipe is not the run's own and that could change its result."""
    raise_all([
        Refusal("run.other_recipe", f"`{option}` is {new!r}, and the run was made with {old!r}", str(run.path),
                f"set `{option}` back, or start a new run")
        for option, old, new in differences(kept, recipe)
    ])


def carry_on(run: Run, recipe: Recipe, prepared: Prepared, observe: Observe) -> Outcome:
    """Train from the newest checkpoint, or from the start, to the end; then judge."""
    before = lineage.read(run.lineage_file)
    now = lineage.collect(digests=digests(recipe, prepared), chosen={**before["chosen"], "threads": threads()})
    checkpoint, found = checkpoints.newest(run)
    found += lineage.demand_same(before, now, str(run.path))
    if checkpoint:
        lineage.demand_same({"digests": checkpoint.facts["digests"]}, {"digests": now["digests"]},
                            str(checkpoint.folder))
    for finding in found:
        observe(Found(finding))
    session = open_session(run, recipe, prepared, before["chosen"], now["digests"])
    cut(run.records_file, lay_in(session, checkpoint))
    for line in learning(session):
        observe(Said(line))
    progress = Progress(began=time.monotonic())
    with (
        signals.listening(lambda by: observe(Said(f"{by}: {STOPPING}"))) as stop, Journal(run.records_file) as records,
        Journal(run.timings_file) as timings,
        observers.watching(run, recipe, observe, step=session.state.number) as told,
    ):
        for finding in timings.findings:
            observe(Found(finding))
        try:
            ending = loop(session, records, timings, stop, progress, observe=told)
        except KeyboardInterrupt as stopped:
            stopped.add_note(f"go on from the last checkpoint with: tunesmith train --resume {run.path}")
            raise
        verdict = None
        if ending != "signal":
            verdict = judge(run, recipe, prepared, until(stop, run, observe))
            watching.put(run, recipe, prepared)
            records.append({"kind": folder.DONE, "step": session.state.number, "stopped": ending})
        if verdict is not None:
            told.verdict(session.state.number, verdict)
    return Outcome(run.path, session.state.number, progress.loss, progress.tokens,
                   time.monotonic() - progress.began, ending, verdict, prepared.head.kind == "causal")


def until(stop: signals.Stop, run: Run, observe: Observe) -> Observe:
    """The observer, which ends what it observes by Busy once somebody asked for a stop."""

    def watch(event: Event) -> None:
        observe(event)
        if stop.requested:
            raise Busy("run.stopped", f"stopped by {stop.by} while judging; the training is saved", str(run.path),
                       f"go on with `tunesmith train --resume {run.path}`")

    return watch


def finished(run: Run) -> Outcome:
    """The outcome of a run that needs nothing more, from its files."""
    from ...runs.records import read as lines

    steps: list[dict[str, Any]] = [line for line in lines(run.records_file) if line["kind"] == "step"]
    ending = next(line["stopped"] for line in lines(run.records_file) if line["kind"] == folder.DONE)
    verdict = verdicts.from_json(durable.read_json(run.verdict_file)) if run.verdict_file.exists() else None
    last: dict[str, Any] = steps[-1] if steps else {"step": 0, "loss": None}
    head = lineage.read(run.lineage_file)["chosen"].get("head", {"kind": "causal"})
    return Outcome(run.path, last["step"], last["loss"], 0, 0.0, ending, verdict, head["kind"] == "causal")
