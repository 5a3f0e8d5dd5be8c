"""The app: every route over the models that are served."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..jobs.service import Jobs
from . import chat, completions, embeddings, feedback, files, fine_tuning, health, models, predict, refusals
from .counts import Counts
from .registry import Registry
from .service import Service
from .settings import Settings
from .texts import whole_texts

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

# FastAPI 0.165 sends to whatever the environment names, request bodies and tracebacks too, unless it is told not to
NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
ROUTERS = (health.router, models.router, chat.router, completions.router, embeddings.router, predict.router,
           feedback.router)


def application(models: Registry, settings: Settings, jobs: Jobs | None = None) -> FastAPI:
    """The app over these models, and the jobs that tune more of them; when it ends, so do the models' threads.

    `app.state.service` is what the routes share; `app.state.log` hears of every answer, where there is one.
    """
    counts = Counts(models)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        models.close()

    # its pages of documentation would load scripts from elsewhere
    app = FastAPI(title="tunesmith", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
                  telemetry=NO_TELEMETRY)
    app.state.service = Service(models, settings, counts)
    app.state.log = None
    refusals.installed(app)
    whole = [Depends(whole_texts)]
    for router in ROUTERS:
        app.include_router(router, dependencies=whole)
    if jobs is not None:
        app.include_router(files.router(jobs.store))  # reads its body piece by piece
        app.include_router(fine_tuning.router(jobs), dependencies=whole)
    app.add_middleware(_Counted, counts=counts)
    return app


class _Counted:
    """Counts every request by its route and status, and how long it took."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            route = _route(scope)
            self._counts.requests.labels(route, str(status)).inc()
            self._counts.seconds.labels(route).observe(time.monotonic() - began)


def _route(scope: Mapping[str, object]) -> str:
    """The route's own path, so that nobody's words become a label."""
    route = scope.get("route")
    return str(route.path) if isinstance(route, APIRoute) else "other"
