"""`/health`: the process answers; `/ready`: it takes requests; `/metrics`: what Prometheus reads."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from .counts import CONTENT_TYPE
from .refusals import RESPONSES, busy
from .service import service_of

router = APIRouter()


class Health(BaseModel):
    """That it answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """That it takes requests, and for which models."""

    status: Literal["ready"] = "ready"
    models: list[str]


@router.get("/health")
async def health() -> Health:
    """Say that the process answers; nothing else is told, for anybody may ask."""
    return Health()


@router.get("/ready", responses={503: RESPONSES[503]})
async def ready(request: Request) -> Ready:
    """Say whether new requests are taken."""
    service = service_of(request)
    if service.draining:
        raise busy("the server is shutting down", "draining")
    if not service.models:
        raise busy("no model is served yet", "not_ready")
    return Ready(models=list(service.models))


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Everything that is counted."""
    return Response(service_of(request).counts.text(), headers={"Content-Type": CONTENT_TYPE})
