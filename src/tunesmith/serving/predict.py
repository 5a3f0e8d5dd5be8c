"""`POST /predict`: what a run says of rows, for every task that is not running text: labels, entities, answers, texts.

The name of the model stands in the body, or in the path.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..monitoring.asked import label_of, scores_of
from ..recipe.sources import MAIN
from . import predicting
from .refusals import RESPONSES
from .seen import Exchange, noted, sureness
from .service import service_of
from .streaming import while_heard
from .wishes import STRICT

router = APIRouter()
Words = Annotated[str, StringConstraints(min_length=1)]


class AskedRow(BaseModel):
    """A row; which fields it has is the task's.

    `text` (and `second`): classify, several labels, regression, embed. `text` or `words`: tag. `question` and
    `context`: extract. `prompt` (and `language`): seq2seq. `text`: masked, denoise.
    """

    model_config = STRICT

    text: Words | None = None
    """A text."""

    second: Words | None = None
    """The other text of a pair."""

    words: Annotated[list[Words], Field(min_length=1, max_length=10_000)] | None = None
    """Words, each of which gets a tag."""

    question: Words | None = None
    """What is asked of the context."""

    context: Words | None = None
    """Where the answer stands."""

    prompt: Words | None = None
    """What is to be written anew, translated or answered."""

    language: Words | None = None
    """The language of the answer, where the run learnt several."""


class PredictWish(BaseModel):
    """Rows that something is to be said of."""

    model_config = STRICT

    rows: list[AskedRow] = Field(min_length=1, max_length=1024)
    """The rows. 1 to 1,024."""

    part: str = Field(default=MAIN, min_length=1, max_length=200)
    """Of a run of several tasks, the one that is asked."""

    max_new_tokens: int | None = Field(default=None, ge=1, le=1 << 20)
    """The longest answer, where text is written; as in the run's own evaluation where nothing is said."""


@final
class NamedWish(PredictWish):
    """The same, and which model is asked."""

    model: str = Field(min_length=1, max_length=500)
    """Which of `/v1/models` answers."""


class Entity(BaseModel):
    """A name in a text. words: from which to before which; score: 0 to 1."""

    type: str
    text: str
    start: int
    end: int
    words: tuple[int, int]
    score: float | None = None


class Predicted(BaseModel):
    """What is said of a row; only what its task says is there. `id` names it in feedback."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)  # a task of somebody else's says more

    id: str
    row: int
    """The row's place in the request, from 0."""
    label: str | None = None
    labels: list[str] | None = None
    scores: dict[str, float] | None = None
    """0 to 1, of every label."""
    value: float | None = None
    """A number that was asked for, or the cosine of two texts."""
    entities: list[Entity] | None = None
    tags: list[str] | None = None
    answer: str | None = None
    start: int | None = None
    end: int | None = None
    score: float | None = None
    no_answer_score: float | None = None
    text: str | None = None
    stopped_by: str | None = None
    vector: list[float] | None = None
    tokens: list[list[str]] | None = None
    """Of each gap the likeliest tokens."""
    probabilities: list[list[float]] | None = None
    unread_tokens: int | None = None
    """How many tokens at the row's end the model could not read."""
    error: str | None = None
    """Why nothing is said of this row."""
    kind: str | None = None
    """The kind of error, for `tunesmith explain`."""
    remedy: str | None = None


class Predictions(BaseModel):
    """What is said of each row, in their order."""

    model: str
    task: str
    predictions: list[Predicted]


@router.post("/predict", responses=RESPONSES, response_model_exclude_unset=True)
async def predict(wish: NamedWish, request: Request) -> Predictions:
    """Say something of each row."""
    return await _predictions(wish.model, wish, request)


@router.post("/predict/{model}", responses=RESPONSES, response_model_exclude_unset=True)
async def predict_by(model: Annotated[str, Path(max_length=500)], wish: PredictWish, request: Request) -> Predictions:
    """The same, of the model in the path."""
    return await _predictions(model, wish, request)


async def _predictions(name: str, wish: PredictWish, request: Request) -> Predictions:
    service = service_of(request)
    served = service.find(name, "predict", "embed")
    rows = [row.model_dump(exclude_none=True) for row in wish.rows]
    asked = predicting.examples(served, rows, wish.part)
    limits = predicting.limits(served, wish.part, wish.max_new_tokens)
    began = time.monotonic()
    said = await while_heard(request, served.desk.do(
        lambda: predicting.told(served, asked, limits), service.settings.timeout))
    found = Predictions(model=name, task=served.task, predictions=[
        Predicted(id=f"pred-{secrets.token_hex(12)}", row=place, **{key: value for key, value in each.items()
                                                                    if key not in ("where", "id")})
        for place, each in enumerate(said)])
    seconds = (time.monotonic() - began) / len(rows)
    for row, each, output in zip(rows, found.predictions, said, strict=True):
        noted(request.app.state.log, Exchange(
            each.id, name, served.task, "\n".join(map(_spelt, row.values())), _answered(output), (0, 0), seconds,
            sureness(output), label_of(output)[0], each.kind, scores_of(output)))
    return found


def _spelt(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _answered(output: Mapping[str, Any]) -> str:
    """The prediction as one text: what was said, without how sure it is."""
    for name in ("text", "answer", "label"):
        if name in output:
            return str(output[name])
    told = next((output[name] for name in ("labels", "entities", "tags", "value") if name in output), "")
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
