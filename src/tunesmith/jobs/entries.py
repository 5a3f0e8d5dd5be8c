"""What the folder of jobs remembers: files, jobs and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Status = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
Level = Literal["info", "warn", "error"]

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
UNFINISHED: Final[tuple[Status, ...]] = ("validating_files", "queued", "running")
SUFFIX_IN_NAME = 8  # letters of a job's id that its model's name ends with


@dataclass(frozen=True, slots=True)
class File:
    """A file that somebody sent, or that a job made. filename: as its owner calls it, only ever shown."""

    id: str
    created_at: int
    bytes: int
    filename: str
    purpose: str
    digest: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job was asked for. filenames: how the client calls the files, by parameter."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate_multiplier: float
    rows: int
    filenames: Mapping[str, str]
    metadata: Mapping[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """For the database."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job. error: code, message and param of the mistake that ended it."""

    error: Mapping[str, str | None] | None = None
    trained_tokens: int | None = None
    result_file: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the database."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Job:
    """A job. ended: how often its process ended by itself, without a step more than before; steps: as of then."""

    id: str
    created_at: int
    status: Status
    wish: Wish
    outcome: Outcome
    finished_at: int | None
    ended: int
    steps: int

    @property
    def name(self) -> str:
        """What the finished model is called."""
        base = self.wish.model.split(":")[1] if self.wish.model.startswith("ft:") else self.wish.model
        return f"ft:{base}:{self.wish.suffix}:{self.id[-SUFFIX_IN_NAME:]}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job. mark: of what a run's records tell, so that it is told once."""

    message: str
    level: Level = "info"
    data: Mapping[str, Any] = field(default_factory=dict)
    mark: str | None = None
    id: str = ""
    created_at: int = 0
