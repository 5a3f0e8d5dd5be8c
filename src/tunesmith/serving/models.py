"""`GET /v1/models`: what is served, by the names that requests say."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from .refusals import RESPONSES
from .registry import KINDS, Kind, Served
from .service import service_of

router = APIRouter()


class Model(BaseModel):
    """A model that is served. kind: how it is asked; task: what it learnt."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["tunesmith"] = "tunesmith"
    kind: Kind
    task: str


class Models(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models")
async def models(request: Request) -> Models:
    """Everything that is served."""
    return Models(data=[_told(served) for served in service_of(request).models.values()])


@router.get("/v1/models/{model}", responses={404: RESPONSES[404]})
async def model(model: str, request: Request) -> Model:
    """One of them."""
    return _told(service_of(request).models.find(model, *KINDS))


def _told(served: Served) -> Model:
    return Model(id=served.name, created=served.created, kind=served.kind, task=served.task)
