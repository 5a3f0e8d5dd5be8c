"""Extractive question answering: where in a context the answer to a question begins and ends, or that it has none.

Rajpurkar et al. 2016, "SQuAD", and 2018, "Know what you don't know"; the head and the loss are those of BERT (Devlin et
al. 2019). A long context is read in windows that overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Given, Model
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents import passages
from ..encoding.proofs.passages import proof
from ..encoding.tokens.codec import Codec
from ..errors import Refusal
from ..generation import overlap, spans
from ..losses.span import span_cross_entropy
from ..metrics import squad_em, squad_f1
from ..models.asking import outputs
from ..models.span_probe import Ask, span_probe
from ..records import Batch, Document, Example, Finding, Head, Loss, Prediction, Question, Rows

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Question,)
cut: Final = "between examples"
generates: Final = False
metrics: Final = (squad_f1, squad_em)
prepare = unchanged

LABELS = ("start", "end")
NO_ANSWER: Final = "no answer"
TOGETHER: Final = 256  # questions whose windows are computed by like lengths, and held in memory at once


class Settings(BaseModel):
    """How a context is parted into windows, and which answers may be said."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    stride: int = Field(default=128, ge=0, le=100_000)
    """How many tokens of a long context two neighbouring windows share, at most half of what the question leaves.

    0 to 100,000. A window has `training.max_length` tokens. Choose more than the longest answer has: one that no window
    holds whole cannot be learnt.
    """

    longest_answer: int = Field(default=30, ge=1, le=10_000)
    """The most tokens of an answer that is said.

    1 to 10,000. Answers to train on may be longer. Try twice the length of the longest answer that you would accept.
    """

    no_answer: bool | None = None
    """Whether the model may say that the context holds no answer; null: where some training question has none.

    `true` for rows in the shape of SQuAD 2.0. With `false` there is always an answer, however unlikely.
    """

    no_answer_threshold: float = Field(default=0.0, ge=-1000, le=1000)
    """How much more than the best answer `no answer` has to score before it is said, in nats.

    -1,000 to 1,000. Raise it where too many questions stay without an answer; choose it on other rows than the test's.
    """


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """Two outputs a token: start and end. Whether there may be no answer stands in `problem`."""
    answers = [example.answers for example in examples if isinstance(example, Question)]
    if not any(answers):
        raise Refusal("data.no_answers", f"none of the {len(answers)} training questions has an answer", "data.train",
                      "give questions whose answers stand in their contexts")
    without = any(found == () for found in answers) if settings.no_answer is None else settings.no_answer
    return Head("span", LABELS, NO_ANSWER if without else "")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each question its windows, and why it cannot be learnt."""
    for passage in passages.encode(_questions(examples), codec, settings.stride):
        yield passages.documents(passage, codec), passages.findings(passage)


def _questions(examples: Sequence[Example]) -> list[Question]:
    found = [example for example in examples if isinstance(example, Question)]
    if len(found) < len(examples):
        raise TypeError("extract takes questions")
    return found


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Cross entropy of start and end over the rows of each window; each window counts the same."""
    columns = batch.document_columns
    return span_cross_entropy(model.outputs(batch), columns[passages.START], columns[passages.END], batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """The best answer to each question over all windows of its context, in order.

    A question that leaves no room for its context has no prediction.
    """
    threshold = settings.no_answer_threshold if model.head.problem == NO_ANSWER else None
    yield from _answers(_questions(examples), partial(outputs, model), given.codec, settings, threshold)


def _answers(
    questions: Sequence[Question], ask: Ask, codec: Codec, settings: Settings, threshold: float | None
) -> Iterator[Prediction]:
    """The answers by whatever says start and end of each token of documents."""
    for start in range(0, len(questions), TOGETHER):
        asked = list(passages.encode(questions[start : start + TOGETHER], codec, settings.stride))
        windows = [passages.documents(passage, codec) if passage.windows else [] for passage in asked]
        said = iter(ask([window for each in windows for window in each]))
        for place, (passage, own) in enumerate(zip(asked, windows, strict=True), start):
            if own:
                scores = [next(said).double().numpy() for _ in own]
                found = spans.answer(passage, scores, settings.longest_answer, threshold=threshold)
                yield _prediction(place, passage.example, found)


def _prediction(place: int, question: Question, answer: Mapping[str, Any]) -> Prediction:
    """The prediction, and where the question is answered, its first answer and the texts of all."""
    golds = question.answers or ()
    first = golds[0] if golds else None
    text, start, end = (first.text, first.start, first.start + len(first.text)) if first else ("", None, None)
    every = list(dict.fromkeys(gold.text for gold in golds))
    expected = {"answer": text, "start": start, "end": end, "answers": every}
    named = {"id": question.id} if question.id else {}  # of many questions that stand on one line of a file
    return Prediction(
        place, prompt=question.question, text=answer["answer"], reference=text,
        output={**named, **answer},
        expected=expected if question.answers is not None else {})


def baselines(
    model: Model, learnt: Rows, held: Rows, settings: Settings, *, given: Given
) -> Mapping[str, Sequence[Prediction]]:
    """`sliding window` compares words, `linear probe` learns on the untuned states; `no answer` says none to all."""
    questions = _questions(held.examples)
    threshold = settings.no_answer_threshold if head(learnt.examples, settings).problem == NO_ANSWER else None
    common = overlap.common_words(_questions(learnt.examples))
    probe = span_probe(model, learnt.documents, (passages.START, passages.END))
    found = {
        "sliding window": [_prediction(place, question, _quoted(question, overlap.answer(question, common)))
                           for place, question in enumerate(questions)],
        "linear probe": list(_answers(questions, probe, given.codec, settings, threshold)),
    }
    if threshold is not None:
        nothing = {"answer": "", "start": None, "end": None, "score": 1.0}
        found["no answer"] = [_prediction(place, question, nothing) for place, question in enumerate(questions)]
    return found


def _quoted(question: Question, characters: tuple[int, int]) -> Mapping[str, Any]:
    start, end = characters
    return {"answer": question.context[start:end], "start": start, "end": end, "score": 1.0}
