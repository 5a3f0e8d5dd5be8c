"""Base and tuned on the same held-out rows, and the verdict on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contracts import Given
from ..encoding.flat import examples_of
from ..encoding.lengths import TooLong
from ..encoding.order import seed_for
from ..errors import Misuse
from ..evaluation import predictions, report, verdict
from ..inference import predictor
from ..inference.scoring import loss_of, score, spelling_of
from ..recipe import Section, read
from ..recipe.sources import MAIN
from ..records import Document, Example, Finding, Prediction, Rows, Side, Text, Verdict
from ..runs import durable, folder, lineage, lock
from ..runs.redact import redacted
from ..tasks import several
from . import card, elsewhere, pages, parts
from .encode import encode
from .events import Answered, Event, Found, Said, silent
from .prepare import Prepared, prepare, refuse

if TYPE_CHECKING:
    from ..recipe.sections import Recipe

Observe = Callable[[Event], None]

SCORED_TOKENS = 4096


def judge(run: folder.Run, recipe: Recipe, prepared: Prepared, observe: Observe) -> Verdict | None:
    """The verdict on a trained run, written into its folder; None where no row was held out."""
    side = held_out(prepared)
    if side is None:
        unmeasured = ", and nothing of `evaluation.also` is measured" if prepared.also else ""
        observe(Found(Finding("warning", "verdict.no_rows", f"no row was held out, so there is no verdict{unmeasured}",
                              "data.test", "give `data.test` a share or files")))
        return None
    examples = prepared.examples[side]
    held = Held("held-out", recipe.task, examples, prepared.documents[side])
    others = {name: Held(f"`{name}`", other.task, other.examples, other.documents, parts.of_entry(recipe, name))
              for name, other in prepared.also.items()}
    rivals: dict[str, dict[int, Prediction]] = {}
    notes: list[Finding] = []
    tuned: dict[int, Prediction] = {}
    measured_there: dict[str, dict[str, dict[int, Prediction]]] = {name: {} for name in others}
    for who, opened in predictor.both(run.path):
        own, held = in_both_vocabularies(recipe, opened, prepared, held)
        if who == "tuned":
            tuned = measure(recipe, opened, own, drawn(own, recipe), observe=observe, who=who)
        else:
            notes += new_head(recipe, opened)
            rivals = stand_ins(recipe, opened, prepared, own, observe) or {
                "base": measure(recipe, opened, own, drawn(own, recipe), observe=observe, who=who)}
        for name, other in others.items():
            own, others[name] = in_both_vocabularies(recipe, opened, prepared, other)
            measured_there[name] |= (who == "base" and stand_ins(recipe, opened, prepared, own, observe)) or {
                who: measure(recipe, opened, own, drawn(own, recipe), observe=observe, who=who)}
    metrics = metrics_of(recipe, plain=_plain(examples))
    seed = recipe.training.seed
    decides = recipe.evaluation.metric or verdict.decisive(metrics, tuned, examples)
    strongest = verdict.strongest(rivals, tuned, examples, metrics[decides], seed=seed)
    measured = {"base": rivals.pop(strongest), "tuned": tuned}
    found = verdict.judge(measured["base"], tuned, examples, metrics, decides, against_name=strongest, seed=seed)
    found = replace(found, baselines={name: verdict.measure(rival, tuned, examples, metrics, seed=seed)
                                      for name, rival in rivals.items()})
    if prepared.learnt is not None:
        notes.append(Finding(
            "note", "base.vocabulary", f"the base's vocabulary was extended: {prepared.learnt}", "base.vocabulary"))
    found = replace(found, findings=(*found.findings, *notes))
    if side == "validation":
        found = replace(found, findings=(*found.findings, Finding(
            "warning", "verdict.on_validation", "there are no test rows: the verdict is on the validation rows, which"
            " may have chosen the checkpoint", "data.test", "give `data.test` a share or files")))
    there = {name: elsewhere.two(recipe, prepared, name, sides) for name, sides in measured_there.items()}
    found = elsewhere.with_others(found, recipe, prepared, there)
    known = metrics
    for name, both in there.items():
        used = elsewhere.metrics_of_entry(recipe, prepared, name)
        durable.write_file(run.predictions_of(name), b"".join(predictions.lines(both, others[name].examples, used)))
        known = used | known
    durable.write_file(run.predictions_file, b"".join(predictions.lines(measured, examples, metrics)))
    durable.write_json(run.verdict_file, redacted(verdict.as_json(found)))
    facts = {"run": run.name, "base": recipe.base.name, "rows": f"{len(examples)} ({side})"}
    durable.write_file(run.report_file, report.markdown(found, facts, metrics).encode())
    card.put(run, recipe, prepared.base)
    pages.write_verdict(run, known, facts)
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


def stand_ins(
    recipe: Recipe, base: predictor.Predictor, prepared: Prepared, held: Held, observe: Observe
) -> dict[str, dict[int, Prediction]]:
    """What the task's baselines say of the held-out rows, by their names; none where the base itself can be asked."""
    task, model = held.by(recipe), base.model.part(held.part)
    learnt = Rows(prepared.examples["train"], prepared.documents["train"])
    asked, rows = set(drawn(held, recipe)), Rows(held.examples, held.documents)
    if parts.parts(recipe):
        learnt, rows = several.own(learnt, held.part), several.own(rows, held.part)
    found = task.module.baselines(model, learnt, rows, task.settings, given=Given(lambda: base.codec))
    for name in found:
        observe(Said(f"the base has no head for this task: tuned is held against `{name}`"))
    return {name: {one.example: one for one in said if one.example in asked} for name, said in found.items()}


def new_head(recipe: Recipe, base: predictor.Predictor) -> list[Finding]:
    """That the base had no head for hidden words, where it had none: its own answers are then worth nothing."""
    if base.model.head.kind != "masked" or not base.model.head_is_new:
        return []
    return [Finding("note", "base.new_head", f"`{recipe.base.name}` has no head for hidden words: a new one was made, "
                    "tied to its embedding, and learnt", "base.name")]


def in_both_vocabularies(
    recipe: Recipe, opened: predictor.Predictor, prepared: Prepared, held: Held
) -> tuple[Held, Held]:
    """Rows as a model reads them, and as the tuned one does: of a base with another vocabulary those that both can."""
    if opened.codec.digest == prepared.digests["tokenizer"]:
        return held, held
    whole: TooLong = "split" if any(isinstance(example, Text) for example in held.examples) else "drop"
    own = encode(recipe, opened.codec, prepared.head, held.examples, task=held.task, too_long=whole).documents
    common = np.intersect1d(examples_of(own), examples_of(held.documents))

    def of(documents: Sequence[Document]) -> Held:
        kept = np.flatnonzero(np.isin(examples_of(documents), common)).tolist()
        return replace(held, documents=[documents[place] for place in kept])

    return of(own), of(held.documents)


@dataclass(frozen=True)
class Held:
    """Rows to measure, by the task that measures them; `name` is what a person is told of them.

    part: of a task of several, the part that they are for.
    """

    name: str
    task: Section
    examples: Sequence[Example]
    documents: Sequence[Document]
    part: str = MAIN

    def by(self, recipe: Recipe) -> Section:
        """The task whose metrics and baselines are theirs."""
        return parts.task(recipe, self.part) if parts.parts(recipe) else self.task


def drawn(held: Held, recipe: Recipe) -> list[int]:
    """Indices of the examples that are asked: all, or where answers are generated as many as `evaluation.generate`.

    Drawn by the recipe's seed. None where all are plain texts, which have no prompts.
    """
    encoded = sorted(set(examples_of(held.documents).tolist()))
    if not held.by(recipe).module.generates:
        return encoded
    if _plain(held.examples):
        return []
    chosen = random.Random(seed_for(recipe.training.seed, "evaluation"))  # noqa: S311 - a draw that can be repeated
    return sorted(chosen.sample(encoded, min(recipe.evaluation.generate, len(encoded))))


def _plain(examples: Sequence[Example]) -> bool:
    """Whether there is nothing to answer: plain texts have no prompts."""
    return all(isinstance(example, Text) for example in examples)


def measure(
    recipe: Recipe, opened: predictor.Predictor, held: Held, prompts: Sequence[int], *, observe: Observe, who: str
) -> dict[int, Prediction]:
    """Predictions of one model: the loss of every row, and the answers to the prompts."""
    task, settings = held.task.module, held.task.settings
    observe(Said(f"measuring {who} on {len(held.documents)} {held.name} documents"))
    found = {index: Prediction(index) for index in prompts}
    own = held.by(recipe).module
    if any(metric.needs == "loss" for metric in own.metrics):
        found |= score(loss_of(opened.model, task, settings), held.documents, tokens=SCORED_TOKENS,
                       spelling=spelling_of(opened.codec))
    given = Given(lambda: opened.codec, whole=True)
    answers = task.predict(
        opened.model, [held.examples[index] for index in prompts], settings, given=given,
        max_new_tokens=recipe.evaluation.max_new_tokens, batch_size=recipe.evaluation.batch_size,
    )
    for done, answer in enumerate(answers, start=1):
        index = prompts[answer.example]
        scored = found[index]
        found[index] = replace(answer, example=index, term=scored.term, weight=scored.weight, bytes=scored.bytes)
        observe(Answered(who, done, len(prompts)))
    silent = own.generates and sum(not found[index].stopped_by for index in prompts)
    if silent and any(metric.needs == "text" for metric in own.metrics):
        observe(Found(Finding("warning", "verdict.unanswered", f"{silent} of {len(prompts)} prompts were not answered:"
                              " they are empty, have no answer to compare with, or fill the base's context",
                              "evaluation.generate", "set it to 0 where the rows are plain texts")))
    return found


def metrics_of(recipe: Recipe, *, plain: bool = False) -> dict[str, Any]:
    """The metrics of the run's task and the one that the recipe names; of plain texts those of the loss alone."""
    task = parts.task(recipe)
    answers = not task.module.generates or (bool(recipe.evaluation.generate) and not plain)
    return elsewhere.metrics_of(task, recipe.evaluation.metric, answers=answers,
                                vocabularies=elsewhere.vocabularies(recipe))


def primary(recipe: Recipe) -> str:
    """The metric that decides."""
    return recipe.evaluation.metric or next(iter(metrics_of(recipe)))
