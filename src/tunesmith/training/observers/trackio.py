"""Trackio: a run in a project on this machine; `trackio show` opens its pages.

Source: trackio's `init`, `Run.log` and `Run.finish`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import RunFacts
from ._installed import demand


class Settings(BaseModel):
    """Where the run appears."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    project: str = Field(default="tunesmith", min_length=1, max_length=128)
    """The project that the run appears in."""


def require(settings: Settings) -> None:
    """Raise Misuse where Trackio is not installed."""
    demand("trackio", "pip install trackio")


def open(facts: RunFacts, settings: Settings) -> Any:
    """The run, continued where it is there already."""
    import trackio

    return trackio.init(settings.project, name=facts.name, config=dict(facts.options), resume="allow", embed=False)


def step(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of a step, under `train/`."""
    handle.log({f"train/{name}": value for name, value in values.items()}, step=number)


def evaluation(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of the validation rows, under `validation/`."""
    handle.log({f"validation/{name}": value for name, value in values.items()}, step=number)


def verdict(handle: Any, number: int, word: str, values: Mapping[str, float]) -> None:
    """The verdict's word and numbers, at the last step."""
    handle.log({"verdict": word, **{f"verdict/{name}": value for name, value in values.items()}}, step=number)


def close(handle: Any) -> None:
    """Write what is still waiting."""
    handle.finish()
