"""MLflow: a run in an experiment, at the server or in the files that `MLFLOW_TRACKING_URI` names.

Source: `mlflow.MlflowClient`, which leaves MLflow's own idea of an active run alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...contracts import RunFacts
from ._installed import demand

TAG = "tunesmith.run"
AT_ONCE = 100  # parameters that MLflow takes in one call
LONGEST = 6000  # characters of one


class Settings(BaseModel):
    """Where the run appears."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    experiment: str = Field(default="tunesmith", min_length=1, max_length=128)
    """The experiment that the run appears in; it is made where it is not there."""


def require(settings: Settings) -> None:
    """Raise Misuse where MLflow is not installed."""
    demand("mlflow", "pip install mlflow")


def open(facts: RunFacts, settings: Settings) -> Any:
    """The client and the run's id; a run that goes on is found by its tag."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Param

    client = MlflowClient()
    experiment = client.get_experiment_by_name(settings.experiment)
    place = experiment.experiment_id if experiment else client.create_experiment(settings.experiment)
    found = client.search_runs([place], filter_string=f"tags.`{TAG}` = '{facts.name}'", max_results=1)
    if found:
        return client, found[0].info.run_id
    run = client.create_run(place, run_name=facts.name, tags={TAG: facts.name}).info.run_id
    params = [Param(name, str(value)[:LONGEST]) for name, value in facts.options.items()]
    for start in range(0, len(params), AT_ONCE):
        client.log_batch(run, params=params[start : start + AT_ONCE])
    return client, run


def step(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of a step, under `train/`."""
    _log(handle, "train", number, values)


def evaluation(handle: Any, number: int, values: Mapping[str, float]) -> None:
    """The numbers of the validation rows, under `validation/`."""
    _log(handle, "validation", number, values)


def verdict(handle: Any, number: int, word: str, values: Mapping[str, float]) -> None:
    """The verdict's word as a tag, its numbers under `verdict/`."""
    client, run = handle
    client.set_tag(run, "verdict", word)
    _log(handle, "verdict", number, values)


def close(handle: Any) -> None:
    """Mark the run as ended."""
    client, run = handle
    client.set_terminated(run)


def _log(handle: Any, group: str, number: int, values: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    client, run = handle
    now = int(time.time() * 1000)
    client.log_batch(run, metrics=[Metric(f"{group}/{name}", value, now, number) for name, value in values.items()])
