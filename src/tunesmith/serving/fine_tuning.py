"""`/v1/fine_tuning/jobs`: training as OpenAI's clients ask for it, each job an ordinary run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..jobs import asking, progress, runner
from ..jobs.asking import Asked
from ..jobs.entries import Event, Job
from ..jobs.progress import Saved
from ..jobs.service import Jobs
from .files import known_only, page, told
from .refusals import RESPONSES, Refused

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)
MOST = 100
METADATA = re.compile(r"metadata\[(.{1,64})\]", re.S)
Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Hyperparameters(BaseModel):
    """How much, and how fast; `auto`, or nothing, is what this server thinks right for so many rows."""

    model_config = STRICT

    n_epochs: Literal["auto"] | Annotated[int, Field(ge=1, le=50)] | None = None
    """How often all rows are seen. 1 to 50."""

    batch_size: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] | None = None
    """How many rows make one step. 1 to 256."""

    learning_rate_multiplier: Literal["auto"] | Annotated[float, Field(gt=0, le=100)] | None = None
    """The learning rate as a multiple of 2e-4. Above 0, at most 100."""


class Supervised(BaseModel):
    """Learning the assistant's turns."""

    model_config = STRICT

    hyperparameters: Hyperparameters | None = None
    """How much, and how fast."""


class Method(BaseModel):
    """What is learnt from the rows."""

    model_config = STRICT

    type: Literal["supervised", "dpo", "reinforcement"]
    """Only `supervised`; the two others are known by name, and refused."""

    supervised: Supervised | None = None
    """Its options."""

    dpo: dict[str, Any] | None = None
    """Not known here yet."""

    reinforcement: dict[str, Any] | None = None
    """Not known here yet."""


class Create(BaseModel):
    """A job that is asked for."""

    model_config = STRICT

    model: str = Field(min_length=1, max_length=500)
    """The base: one that the server was started with, or a model that it has tuned."""

    training_file: Id
    """The file of rows, by its id."""

    validation_file: Id | None = None
    """The file of rows that are measured on the way, by its id."""

    hyperparameters: Hyperparameters | None = None
    """Older clients' way of saying `method.supervised.hyperparameters`."""

    method: Method | None = None
    """What is learnt, and how."""

    suffix: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """A part of the finished model's name. Up to 64 letters, digits, `-`, `_` and `.`."""

    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    """The number that every random choice is derived from. Without one, the server draws it."""

    integrations: list[dict[str, Any]] | None = None
    """Only empty: this server tells nobody else."""

    metadata: dict[Annotated[str, StringConstraints(max_length=64)],
                   Annotated[str, StringConstraints(max_length=512)]] | None = Field(default=None, max_length=16)
    """Up to 16 texts of your own, by which jobs can be listed."""


def router(jobs: Jobs) -> APIRouter:
    """The routes over a folder of jobs."""
    routes, store = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["fine-tuning"], responses=RESPONSES), jobs.store

    @routes.post("")
    def create(wish: Create) -> dict[str, Any]:
        """Ask for a job. Its rows are checked next, and its mistakes become its error."""
        asked = _asked(wish)
        with told("model"):
            return shown(asking.create(store, jobs.bases, asked))

    @routes.get("")
    def listing(request: Request, after: str | None = None,
                limit: Annotated[int, Query(ge=1, le=MOST)] = 20) -> dict[str, Any]:
        """The jobs that there are, the newest first; `metadata[k]=v` asks for those of that value."""
        wanted = {named[1]: value for name, value in request.query_params.items()
                  if (named := METADATA.fullmatch(name))}
        known_only(request, ("after", "limit", *(f"metadata[{name}]" for name in wanted)))
        with told("after"):
            found = store.jobs(after=after, limit=limit + 1, metadata=wanted)
        return page([shown(job) for job in found], limit)

    @routes.get("/{job_id}")
    def retrieve(job_id: str) -> dict[str, Any]:
        """How a job stands."""
        with told("fine_tuning_job_id", 404):
            return shown(store.job(job_id))

    @routes.post("/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, Any]:
        """Cancel a job; what it has saved stays."""
        with told("fine_tuning_job_id", 404):
            job = store.job(job_id)
        with told("fine_tuning_job_id"):
            return shown(runner.cancel(store, job.id))

    @routes.get("/{job_id}/events")
    def events(request: Request, job_id: str, after: str | None = None,
               limit: Annotated[int, Query(ge=1, le=MOST)] = 20) -> dict[str, Any]:
        """What happened to a job, the newest first."""
        known_only(request, ("after", "limit"))
        with told("fine_tuning_job_id", 404):
            job = store.job(job_id)
        with told("after"):
            return page([_event(each) for each in store.events(job.id, after=after, limit=limit + 1)], limit)

    @routes.get("/{job_id}/checkpoints")
    def checkpoints(request: Request, job_id: str, after: str | None = None,
                    limit: Annotated[int, Query(ge=1, le=MOST)] = 10) -> dict[str, Any]:
        """What a job has saved, the newest first."""
        known_only(request, ("after", "limit"))
        with told("fine_tuning_job_id", 404):
            job = store.job(job_id)
            found = progress.saved(job, store.place.work(job.id).run())
        places = {each.id: place for place, each in enumerate(found, start=1)}
        with told("after"):
            rest = found[0 if after is None else places[after]:]
        return page([_checkpoint(job, each) for each in rest[:limit + 1]], limit)

    return routes


def shown(job: Job) -> dict[str, Any]:
    """A job as OpenAI's client reads it."""
    wish, outcome = job.wish, job.outcome
    numbers = {"n_epochs": wish.epochs, "batch_size": wish.batch_size,
               "learning_rate_multiplier": wish.learning_rate_multiplier}
    return {
        "id": job.id, "object": "fine_tuning.job", "created_at": job.created_at, "finished_at": job.finished_at,
        "model": wish.model, "fine_tuned_model": job.name if job.status == "succeeded" else None,
        "organization_id": "tunesmith", "status": job.status, "error": outcome.error, "seed": wish.seed,
        "training_file": wish.training_file, "validation_file": wish.validation_file,
        "result_files": [outcome.result_file] if outcome.result_file else [],
        "trained_tokens": outcome.trained_tokens, "estimated_finish": None, "integrations": [],
        "metadata": wish.metadata, "hyperparameters": numbers,
        "method": {"type": "supervised", "supervised": {"hyperparameters": numbers}},
    }


def _asked(wish: Create) -> Asked:
    """What was asked for. Raises Refused for what is known by name and not done here."""
    if wish.integrations:
        raise Refused(400, "`integrations` are not known here: the events tell what they would", param="integrations",
                      code="not_supported")
    method = wish.method
    if method is not None and method.type != "supervised":
        raise Refused(400, f"the method `{method.type}` is not known here yet; use `supervised`", param="method.type",
                      code="not_supported")
    for name in ("dpo", "reinforcement"):
        if method is not None and getattr(method, name) is not None:
            raise Refused(400, f"`method.{name}` does not belong to `supervised`", param=f"method.{name}",
                          code="invalid_body")
    chosen = method.supervised.hyperparameters if method is not None and method.supervised is not None else None
    if chosen is not None and wish.hyperparameters is not None:
        raise Refused(400, "`hyperparameters` are said twice; leave those outside `method` out",
                      param="hyperparameters", code="invalid_body")
    said = chosen or wish.hyperparameters or Hyperparameters()
    return Asked(
        wish.model, wish.training_file, wish.validation_file, wish.suffix or "", wish.seed,
        _number(said.n_epochs), _number(said.batch_size), _number(said.learning_rate_multiplier), wish.metadata)


def _number(said: Any) -> Any:
    return None if said == "auto" else said


def _event(event: Event) -> dict[str, Any]:
    return {"id": event.id, "object": "fine_tuning.job.event", "created_at": event.created_at, "level": event.level,
            "message": event.message, "data": dict(event.data),
            "type": "metrics" if "step" in event.data else "message"}


def _checkpoint(job: Job, saved: Saved) -> dict[str, Any]:
    return {"id": saved.id, "object": "fine_tuning.job.checkpoint", "created_at": saved.created_at,
            "fine_tuning_job_id": job.id, "fine_tuned_model_checkpoint": f"{job.name}:ckpt-step-{saved.step}",
            "step_number": saved.step, "metrics": dict(saved.metrics)}
