"""Weights & Biases: a run of the same name in a project. With `WANDB_MODE=offline` nothing leaves the machine.

Source: wandb's `init`, `Run.log` and `Run.summary`. Neither code nor console nor git state is collected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import RunFacts
from ...errors import Misuse
from ._installed import demand

SILENT = ("offline", "disabled", "dryrun")


class Settings(BaseModel):
    """Where the run appears."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    project: str = Field(default="tunesmith", min_length=1, max_length=128)
    """The project that the run appears in."""
    entity: str | None = None
    """The user or team whose project it is; null: your own default. Try a team's name to share runs."""


def require(settings: Settings) -> None:
    """Raise Misuse where wandb is not installed, or would ask for a key in the middle of a run."""
    demand("wandb", "pip install wandb")
    if os.environ.get("WANDB_MODE") in SILENT:
        return
    import wandb

    if wandb.api.api_key is None:
        raise Misuse("observer.no_key", "wandb has no key for its server", "run.observers",
                     "log in with `wandb login`, or set `WANDB_MODE=offline`")


def open(facts: RunFacts, settings: Settings) -> Any:
    """The run, continued where it is there already."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb.init(
        project=settings.project, entity=settings.entity, name=facts.name, id=facts.name, resume="allow",
        dir=str(facts.folder), config=dict(facts.options), save_code=False,
        settings=wandb.Settings(console="off", disable_git=True, disable_code=True),
    )


def step(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of a step, under `train/`."""
    handle.log({f"train/{name}": value for name, value in values.items()}, step=number)


def evaluation(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of the validation rows, under `validation/`."""
    handle.log({f"validation/{name}": value for name, value in values.items()}, step=number)


def verdict(handle: Any, number: int, word: str, values: Mapping[str, float]) -> None:
    """The verdict's word and numbers in the run's summary."""
    handle.summary.update({"verdict": word, **{f"verdict/{name}": value for name, value in values.items()}})


def close(handle: Any) -> None:
    """Send what is still waiting."""
    handle.finish()
