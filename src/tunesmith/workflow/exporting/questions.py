"""What an export is asked: prompts of the run's held-out rows, and the texts and turns that they come from."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...contracts import Model, Reloaded
from ...encoding.batches.flat import examples_of
from ...encoding.documents.shift import spans
from ...encoding.order import seed_for
from ...errors import Misuse
from ...exports import _parity
from ...exports._parity import Answered, Question
from ...generation.decode import generate
from ...generation.sampling import Sampling
from ...records import Document, Example, Side
from ..preparing.prepare import Prepared
from ..verdict.judge import held_out
from . import parity

if TYPE_CHECKING:
    from ...exports._source import Source
    from ...recipe.sections import Recipe

LONGEST_BEGINNING = 64  # tokens of a plain text that are given, to be gone on with
TIMED: Final = 64  # tokens of an answer: enough for its speed


@dataclass(frozen=True)
class Asked:
    """Questions and the rows that they are made of; side: where the rows stood."""

    side: Side
    questions: Sequence[Question]
    examples: Sequence[Example]


def asked(recipe: Recipe, prepared: Prepared, source: Source, most: int) -> Asked:
    """Up to so many prompts of held-out rows, of training rows where none were held out; drawn by the recipe's seed.

    A prompt is just the ids that the training had before the row's last answer; of a plain text, its beginning.
    Raises Misuse where there is no row whose prompt leaves room in the context.
    """
    side: Side = held_out(prepared) or "train"
    context = source.codec.context
    documents = prepared.documents[side]
    last = {example: place for place, example in enumerate(examples_of(documents).tolist())}
    prompts = {example: prompt for example, place in last.items() if 0 < len(prompt := _prompt(documents[place]))
               < context}
    if not prompts:
        raise Misuse("export.no_prompts", "no row has a prompt that an export could be asked with", f"data.{side}",
                     "train on rows whose prompts leave room in the base's context")
    chosen = drawn(recipe, prompts, most)
    examples = [prepared.examples[side][index] for index in chosen]
    longest = recipe.evaluation.max_new_tokens
    return Asked(side, [
        Question(example.where, prompts[index], min(longest, context - len(prompts[index])))
        for index, example in zip(chosen, examples, strict=True)
    ], examples)


def drawn(recipe: Recipe, examples: Collection[int], most: int) -> list[int]:
    """Up to so many of the examples, in their order, drawn by the recipe's seed."""
    found = random.Random(seed_for(recipe.training.seed, "export"))  # noqa: S311 - a draw that can be repeated
    return sorted(found.sample(sorted(examples), min(most, len(examples))))


def ask(model: Model, source: Source, found: Asked, batch_size: int) -> list[Answered]:
    """What a model of ours answers."""
    return _parity.ask(model, source.codec, found.questions, batch_size=batch_size)


def hold(
    reloaded: Reloaded, source: Source, found: Asked, expected: parity.Expected[Answered], *, lossy: bool
) -> parity.Found:
    """Whether the export answers as was expected of it; lossy: how far it does not is told, and not refused."""
    return parity.hold(reloaded, source.codec, found.examples, expected, turns=source.turns, lossy=lossy)


def timed(model: Any, source: Source, question: Question) -> int:
    """The tokens of one answer that a model gives, ours or another program's, of `TIMED` at most."""
    sampling = Sampling(max_new_tokens=min(question.limit, TIMED))
    [(_, answer)] = generate(model, source.codec, [question.ids], sampling, batch_size=1)
    return answer.tokens


def _prompt(document: Document) -> tuple[int, ...]:
    learnt = spans(document)
    start = learnt[-1][0] if learnt else 0
    if start <= 1:  # a text that is learnt from its beginning
        start = max(1, min(len(document) // 2, LONGEST_BEGINNING))
    return tuple(int(token) for token in document.ids[:start])
