"""What a server is told on its command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How much is answered at once, and how long anybody waits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    rows: int = Field(default=16, ge=1, le=1024)
    """How many answers of one model are written at once. 1 to 1,024; try 32 where memory allows it."""

    queue: int = Field(default=64, ge=1, le=65536)
    """How many more answers of one model may wait; who comes after them is told to try again. 1 to 65,536."""

    timeout: float = Field(default=120.0, gt=0, le=86400, allow_inf_nan=False)
    """Seconds after which an answer that is not finished is given up. Above 0, at most 86,400."""

    drain: float = Field(default=30.0, ge=0, le=3600, allow_inf_nan=False)
    """Seconds that answers have to end in once the server is asked to stop. 0 to 3,600."""
