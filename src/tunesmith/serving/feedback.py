"""`POST /feedback`: what somebody thinks of an answer, tied to it by its id, where the run keeps what it was asked."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from ..monitoring.log import Judgement
from .refusals import RESPONSES, Refused, busy

router = APIRouter()
LONGEST = 100_000


class Judges(Protocol):
    """What `app.state.log` is, where somebody watches."""

    def judge(self, answer_id: str, judgement: Judgement) -> bool:
        """Keep a judgement; False where it cannot be kept."""


class FeedbackWish(BaseModel):
    """What is thought of an answer: `good`, `rating` or `correction`, one of them at least."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
    """The `id` of the answer: of a chat or a completion its own, of `/predict` that of the row."""

    good: bool | None = None
    """Whether the answer was good."""

    rating: int | None = Field(default=None, ge=1, le=5)
    """How good it was: 1 (bad) to 5."""

    correction: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] | None = None
    """What the answer should have been. Kept only where the run keeps texts."""

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackWish:
        if self.good is None and self.rating is None and self.correction is None:
            raise PydanticCustomError("must", "{must}", {"must": "one of `good`, `rating` and `correction` is needed"})
        return self


class Feedback(BaseModel):
    """That it is kept."""

    id: str
    kept: Literal[True] = True


@router.post("/feedback", responses=RESPONSES)
async def feedback(wish: FeedbackWish, request: Request) -> Feedback:
    """Keep a judgement; a later one of the same answer takes its place."""
    log: Judges | None = request.app.state.log
    if log is None:
        raise Refused(404, "no run here keeps what is thought of its answers; `monitoring.keep` in its recipe says so",
                      code="feedback_off")
    if not log.judge(wish.id, Judgement(wish.good, wish.rating, wish.correction)):
        raise busy("too much waits to be written; try again in a moment", "log_full")
    return Feedback(id=wish.id)
