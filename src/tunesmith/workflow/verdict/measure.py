"""What base, tuned and baselines say of held-out rows: losses, answers, and what a head says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...contracts import Given, Model
from ...data.shelf import picked
from ...data.varied import parent
from ...encoding.batches.flat import examples_of
from ...encoding.documents.lengths import TooLong
from ...encoding.order import seed_for
from ...encoding.tokens.codec import Codec
from ...inference import predictor
from ...inference.scoring import loss_of, score, spelling_of
from ...recipe import Section
from ...recipe.sources import MAIN
from ...records import Document, Example, Finding, Prediction, Rows, Text
from ...tasks import several
from .. import parts
from ..events import Answered, Event, Found, Said
from ..preparing.encode import encode
from ..preparing.prepare import Prepared

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

Observe = Callable[[Event], None]
Predictions = dict[int, Prediction]

SCORED_TOKENS = 4096


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
    if plain(held.examples):
        return []
    chosen = random.Random(seed_for(recipe.training.seed, "evaluation"))  # noqa: S311 - a draw that can be repeated
    return sorted(chosen.sample(encoded, min(recipe.evaluation.generate, len(encoded))))


def plain(examples: Sequence[Example]) -> bool:
    """Whether there is nothing to answer: plain texts have no prompts."""
    return all(isinstance(example, Text) for example in examples)


class Asked(Protocol):
    """A model, and the codec that it is asked with."""

    @property
    def model(self) -> Model:
        """Ours, or what stands for another program's."""

    @property
    def codec(self) -> Codec:
        """Tokenizer and template."""


def measure(
    recipe: Recipe, opened: Asked, held: Held, prompts: Sequence[int], *, observe: Observe, who: str
) -> Predictions:
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


def stand_ins(
    recipe: Recipe, base: predictor.Predictor, prepared: Prepared, held: Held, observe: Observe
) -> dict[str, Predictions]:
    """What the task's baselines say of the held-out rows, by their names; none where the base itself can be asked."""
    task, model = held.by(recipe), base.model.part(held.part)
    learnt = _of_files(Rows(prepared.examples["train"], prepared.documents["train"]))
    asked, rows = set(drawn(held, recipe)), Rows(held.examples, held.documents)
    if parts.parts(recipe):
        learnt, rows = several.own(learnt, held.part), several.own(rows, held.part)
    found = task.module.baselines(model, learnt, rows, task.settings, given=Given(lambda: base.codec))
    for name in found:
        observe(Said(f"the base has no head for this task: tuned is held against `{name}`"))
    return {name: {one.example: one for one in said if one.example in asked} for name, said in found.items()}


def _of_files(rows: Rows) -> Rows:
    """Without the rows that were made of others, so that tuned is held against the same with them and without.

    Fitted on them too, a linear probe of SIB-200 lost 8 points of accuracy, and a worse model was called better.
    """
    kept = [place for place, example in enumerate(rows.examples) if not parent(example.where)[1]]
    if len(kept) == len(rows.examples):
        return rows
    at = {place: number for number, place in enumerate(kept)}
    return Rows(picked(rows.examples, kept), [replace(document, example=at[document.example])
                                              for document in rows.documents if document.example in at])


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
