"""Runs that answer on a free port of 127.0.0.1, behind the guard, in this process.

Tests say `from served import allowed, serving`, mark themselves with `allowed`, and `with serving(models) as server:`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tunesmith.jobs.service import Jobs
from tunesmith.serving.app import application
from tunesmith.serving.checks import Door
from tunesmith.serving.registry import Registry
from wire import allowed, running

__all__ = ["allowed", "serving", "until"]


@dataclass(frozen=True)
class Serving:
    """The address, and the app behind it."""

    port: int
    app: Any
    models: Registry

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(models: Registry, door: Door | None = None, jobs: Jobs | None = None) -> Iterator[Serving]:
    """A server while the context lasts; the models are closed with it."""
    app = application(models, models.settings, jobs)
    try:
        with running(app, door or Door()) as port:
            yield Serving(port, app, models)
    finally:
        models.close()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own time-out is the limit."""
    while not holds():
        time.sleep(0.005)
