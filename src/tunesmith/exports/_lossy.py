"""The option of every format that is meant to lose something: how much. `contracts.Lossy` is what it becomes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Worst = Annotated[float | None, Field(
    ge=0, description="""How much worse than the run the export may be by the metric that decides, in its own units.

0 or more; by default a twentieth of what the run itself reaches. Choose what you would still put into use: `0.02` where
two points of accuracy are worth the room, `0.05` of a loss in nats. `0` refuses whatever is surely worse at all.""")]
