"""The verdict on a run: base and tuned on the same held-out rows, compared, and written into its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import Misuse
from ...evaluation import predictions, report, verdict
from ...inference import predictor
from ...recipe import read
from ...records import Document, Example, Finding, Side, Verdict
from ...runs import durable, folder, lineage, lock
from ...runs.redact import redacted
from .. import parts
from ..events import Event, Found, silent
from ..preparing.prepare import Prepared, prepare, refuse
from . import card, elsewhere, pages
from .measure import Held, Predictions, drawn, in_both_vocabularies, measure, new_head, plain, stand_ins

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

Observe = Callable[[Event], None]


@dataclass
class Said:
    """What was said of the rows that decide and of those of `evaluation.also`, as it comes in.

    rivals: by the base or by each baseline; there: of each entry, by everybody who was asked; notes: beside the word.
    """

    rivals: dict[str, Predictions] = field(default_factory=dict)
    tuned: Predictions = field(default_factory=dict)
    there: dict[str, dict[str, Predictions]] = field(default_factory=dict)
    notes: list[Finding] = field(default_factory=list)


def judge(run: folder.Run, recipe: Recipe, prepared: Prepared, observe: Observe) -> Verdict | None:
    """The verdict on a trained run, written into its folder; None where no row was held out."""
    side = held_out(prepared)
    if side is None:
        unmeasured = ", and nothing of `evaluation.also` is measured" if prepared.also else ""
        observe(Found(Finding("warning", "verdict.no_rows", f"no row was held out, so there is no verdict{unmeasured}",
                              "data.test", "give `data.test` a share or files")))
        return None
    examples, documents = own_rows(prepared, side)
    said = ask(run, recipe, prepared, Held("held-out", recipe.task, examples, documents), observe)
    metrics = metrics_of(recipe, plain=plain(examples))
    found, measured = compared(recipe, said, examples, metrics)
    found = replace(found, findings=(*found.findings, *said.notes, *_notes(prepared, side)))
    there = {name: elsewhere.two(recipe, prepared, name, sides) for name, sides in said.there.items()}
    found = elsewhere.with_others(found, recipe, prepared, there)
    durable.write_file(run.predictions_file, b"".join(predictions.lines(measured, examples, metrics)))
    for name, both in there.items():
        used = elsewhere.metrics_of_entry(recipe, prepared, name)
        lines = predictions.lines(both, prepared.also[name].examples, used)
        durable.write_file(run.predictions_of(name), b"".join(lines))
        metrics = used | metrics
    facts = {"run": run.name, "base": recipe.base.name, "rows": f"{len(examples)} ({side})"}
    durable.write_json(run.verdict_file, redacted(verdict.as_json(found)))
    durable.write_file(run.report_file, report.markdown(found, facts, metrics).encode())
    card.put(run, recipe, prepared.base)
    pages.write_verdict(run, metrics, facts)
    return found


def ask(run: folder.Run, recipe: Recipe, prepared: Prepared, held: Held, observe: Observe) -> Said:
    """What the base, or what stands in for it, and the tuned model say of all rows."""
    said = Said()
    entries = {name: Held(f"`{name}`", other.task, other.examples, other.documents, parts.of_entry(recipe, name))
               for name, other in prepared.also.items()}
    said.there = {name: {} for name in entries}
    for who, opened in predictor.both(run.path):
        def by(rows: Held, who: str = who, opened: predictor.Predictor = opened) -> dict[str, Predictions]:
            rivals = stand_ins(recipe, opened, prepared, rows, observe) if who == "base" else {}
            return rivals or {who: measure(recipe, opened, rows, drawn(rows, recipe), observe=observe, who=who)}

        own, held = in_both_vocabularies(recipe, opened, prepared, held)
        if who == "tuned":
            said.tuned = by(own)[who]
        else:
            said.notes += new_head(recipe, opened)
            said.rivals = by(own)
        for name, rows in entries.items():
            own, entries[name] = in_both_vocabularies(recipe, opened, prepared, rows)
            said.there[name] |= by(own)
    return said


def compared(
    recipe: Recipe, said: Said, examples: Sequence[Example], metrics: Mapping[str, Any]
) -> tuple[Verdict, dict[str, Predictions]]:
    """The verdict against the strongest rival, the others beside it; and the predictions that it is made from."""
    seed, rivals, tuned = recipe.training.seed, dict(said.rivals), said.tuned
    decides = recipe.evaluation.metric or verdict.decisive(metrics, tuned, examples)
    strongest = verdict.strongest(rivals, tuned, examples, metrics[decides], seed=seed)
    against = rivals.pop(strongest)
    found = verdict.judge(against, tuned, examples, metrics, decides, against_name=strongest, seed=seed)
    baselines = {name: verdict.measure(rival, tuned, examples, metrics, seed=seed) for name, rival in rivals.items()}
    return replace(found, baselines=baselines), {"base": against, "tuned": tuned}


def _notes(prepared: Prepared, side: Side) -> list[Finding]:
    """What a reader of the verdict should know of the rows and of the base."""
    found = []
    if prepared.learnt is not None:
        found.append(Finding("note", "base.vocabulary", f"the base's vocabulary was extended: {prepared.learnt}",
                             "base.vocabulary"))
    if side == "validation":
        found.append(Finding(
            "warning", "verdict.on_validation", "there are no test rows: the verdict is on the validation rows, which"
            " may have chosen the checkpoint", "data.test", "give `data.test` a share or files"))
    return found


def evaluate(path: Path, *, observe: Observe = silent) -> Verdict:
    """The verdict on a run, measured anew.

    Raises Misuse where nothing was held out, Busy where the run is being trained.
    """
    run = folder.open_run(path)
    with lock.hold(run):
        recipe = read.read(run.recipe_file)
        kept = lineage.read(run.lineage_file)
        prepared = prepare(recipe, date=kept["chosen"]["date"])
        refuse(prepared.findings)
        found = judge(run, recipe, prepared, observe)
    if found is None:
        raise Misuse("verdict.no_rows", "no row was held out, so there is no verdict", "data.test",
                     "train again with a share or files in `data.test`")
    return found


def held_out(prepared: Prepared) -> Side | None:
    """The side to judge on: test, else validation."""
    sides: tuple[Side, ...] = ("test", "validation")
    return next((side for side in sides if prepared.documents[side]), None)


def own_rows(prepared: Prepared, side: Side) -> tuple[Sequence[Example], Sequence[Document]]:
    """The rows of a side that are of the recipe's own files; those of sources of `data.mix` stand after them."""
    examples, documents = prepared.examples[side], prepared.documents[side]
    if side != "validation" or not prepared.held:
        return examples, documents
    own = next(iter(prepared.held.values()))
    return examples[:own], [document for document in documents if document.example < own]


def metrics_of(recipe: Recipe, *, plain: bool = False) -> dict[str, Any]:
    """The metrics of the run's task and the one that the recipe names; of plain texts those of the loss alone."""
    task = parts.task(recipe)
    answers = not task.module.generates or (bool(recipe.evaluation.generate) and not plain)
    return elsewhere.metrics_of(task, recipe.evaluation.metric, answers=answers,
                                vocabularies=elsewhere.vocabularies(recipe))


def primary(recipe: Recipe) -> str:
    """The metric that decides."""
    return recipe.evaluation.metric or next(iter(metrics_of(recipe)))
