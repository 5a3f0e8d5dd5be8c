"""What every route of one app shares: the models, the settings, the counts, and whether it is about to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from .counts import Counts
from .refusals import busy
from .registry import Kind, Registry, Served
from .settings import Settings


@dataclass(eq=False)
class Service:
    """The state of one app. draining: nothing new is begun."""

    models: Registry
    settings: Settings
    counts: Counts
    draining: bool = False

    def find(self, name: str, *kinds: Kind) -> Served:
        """The model that a request names. Raises Refused where the server stops, or does not serve such a model."""
        if self.draining:
            raise busy("the server is shutting down; try again in a moment", "draining")
        return self.models.find(name, *kinds)


def service_of(request: Request) -> Service:
    """The app's own."""
    return cast(Service, request.app.state.service)
