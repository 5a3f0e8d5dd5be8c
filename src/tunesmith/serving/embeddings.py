"""`POST /v1/embeddings`: of each text one vector."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from ..encoding.documents import sentences
from ..records import Text
from .predicting import vectors
from .refusals import RESPONSES, Refused
from .registry import Served
from .service import service_of
from .streaming import while_heard
from .wishes import STRICT

router = APIRouter()
Input = Annotated[str, StringConstraints(min_length=1)]


class EmbeddingWish(BaseModel):
    """Texts that are to become vectors."""

    model_config = STRICT

    model: str = Field(min_length=1, max_length=500)
    """Which of `/v1/models` answers: a run of the task `embed`, or a base that makes vectors."""

    input: Input | Annotated[list[Input], Field(min_length=1, max_length=2048)]
    """A text, or up to 2,048. Numbers of tokens are not taken: send texts."""

    encoding_format: Literal["float", "base64"] = "float"
    """Whether a vector is a list of numbers, or 32-bit floats in base64."""

    dimensions: int | None = Field(default=None, ge=1)
    """Only as many as the vectors have: a part of a vector means nothing here."""

    user: str | None = Field(default=None, max_length=512)
    """Who asks, for your own logs; changes nothing, and is not kept."""


class Embedding(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """How many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


@router.post("/v1/embeddings", responses=RESPONSES)
async def embeddings(wish: EmbeddingWish, request: Request) -> Embeddings:
    """Make vectors."""
    service = service_of(request)
    served = service.find(wish.model, "embed")
    texts = [wish.input] if isinstance(wish.input, str) else wish.input

    def work() -> tuple[int, list[list[float]]]:
        tokens = _tokens(served, texts)
        return tokens, vectors(served, [Text(text, f"input.{place}", "") for place, text in enumerate(texts)])

    tokens, made = await while_heard(request, served.desk.do(work, service.settings.timeout))
    if wish.dimensions is not None and wish.dimensions != len(made[0]):
        raise Refused(400, f"the vectors have {len(made[0])} numbers, and no other `dimensions`", param="dimensions",
                      code="unsupported")
    service.counts.tokens.labels(served.name, "in").inc(tokens)
    told = [Embedding(index=place, embedding=_encoded(each, wish.encoding_format)) for place, each in enumerate(made)]
    return Embeddings(data=told, model=wish.model, usage=Usage(prompt_tokens=tokens, total_tokens=tokens))


def _tokens(served: Served, texts: Sequence[str]) -> int:
    """How many tokens the texts have. Raises Refused for one that is longer than the model reads."""
    codec = served.predictor.codec
    counts = [len(document) for document in sentences.documents(texts, codec, "mean")]
    for place, count in enumerate(counts):
        if count > codec.longest:
            raise Refused(400, f"text {place} has {count} tokens, and the model reads no more than {codec.longest}: "
                          "shorten it, or cut it into several", param="input", code="too_long")
    return sum(counts)


def _encoded(vector: Sequence[float], form: str) -> Any:
    if form == "float":
        return vector
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
