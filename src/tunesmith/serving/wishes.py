"""What may be asked of a model that writes text: OpenAI's fields, each with its range; no other is taken."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from ..generation.sampling import Sampling
from .refusals import Refused
from .tools import NamedTool, Offered, ToolCall

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)
LONGEST = 1 << 20
Stop = Annotated[str, StringConstraints(min_length=1, max_length=256)]
UNTAKEN = ("presence_penalty", "frequency_penalty", "logit_bias", "echo", "suffix", "best_of")


class Streaming(BaseModel):
    """What is told beside a streamed answer."""

    model_config = STRICT

    include_usage: bool = False
    """Whether the last piece tells how many tokens were read and written."""


class Drawn(BaseModel):
    """How an answer is drawn. What is left out is as the run's base ships it, as in `tunesmith chat`."""

    model_config = STRICT

    model: str = Field(min_length=1, max_length=500)
    """Which of `/v1/models` answers."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    """0 always takes the likeliest token, 1 the model's own spread. 0 to 2."""

    top_p: float | None = Field(default=None, gt=0, le=1)
    """Only the likeliest tokens that together reach this share. Above 0, at most 1."""

    top_k: int | None = Field(default=None, ge=0, le=LONGEST)
    """Only the k likeliest tokens; 0 takes all. No field of OpenAI's."""

    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    """Above 1 makes what was said unlikelier; 1 is off. No field of OpenAI's. Above 0, at most 10."""

    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Only 0, which is off: `repetition_penalty` does what this run was measured with."""

    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Only 0, which is off: `repetition_penalty` does what this run was measured with."""

    logit_bias: dict[str, float] | None = Field(default=None, max_length=1000)
    """Only empty."""

    seed: int | None = Field(default=None, ge=-(1 << 63), le=(1 << 63) - 1)
    """The same seed gives the same answer. Without one every answer is drawn anew."""

    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    """Texts that end the answer, and are not told: one, or up to four."""

    n: int | None = Field(default=None, ge=1, le=16)
    """How many answers. 1 to 16."""

    max_tokens: int | None = Field(default=None, ge=1, le=LONGEST)
    """The most tokens of an answer; 512 where nothing is said, and never more than the model's context."""

    stream: bool | None = None
    """Whether the answer comes piece by piece, as server-sent events."""

    stream_options: Streaming | None = None
    """What is told beside a streamed answer."""

    user: str | None = Field(default=None, max_length=512)
    """Who asks, for your own logs; changes nothing, and is not kept."""


class Part(BaseModel):
    """A part of a message's content: a text."""

    model_config = STRICT

    type: Literal["text"]
    """What it is. Images, sounds and files are not read, and nothing is fetched from an address."""

    text: str
    """What is said."""


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config = STRICT

    role: Literal["system", "developer", "user", "assistant", "tool"]
    """Who speaks; `developer` is `system` by its newer name, `tool` what a call has found."""

    content: str | Annotated[list[Part], Field(max_length=1000)] | None = None
    """What is said; parts are joined. Only an assistant that calls tools may say nothing."""

    name: str | None = Field(default=None, max_length=200)
    """Taken, since clients send it; templates are not told."""

    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    """The tools that an assistant called."""

    tool_call_id: str | None = Field(default=None, min_length=1, max_length=200)
    """The call that a tool's turn answers."""

    refusal: None = None
    """Only null, as answers have it: they may be sent back as they came."""

    @model_validator(mode="after")
    def _fits(self) -> Turn:
        wrong = ("`tool_calls` are an assistant's" if self.tool_calls and self.role != "assistant"
                 else "a tool's turn, and no other, has a `tool_call_id`"
                 if (self.role == "tool") != (self.tool_call_id is not None)
                 else "`content` is missing" if self.content is None and not self.tool_calls else "")
        if wrong:
            raise PydanticCustomError("must", "{must}", {"must": wrong})
        return self

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())


class Shape(BaseModel):
    """The shape of an answer."""

    model_config = STRICT

    type: Literal["text"]
    """Only `text`: a model is not held to any other."""


@final
class ChatWish(Drawn):
    """A conversation to be answered."""

    messages: list[Turn] = Field(min_length=1, max_length=4096)
    """The conversation so far; the run's own system prompt is put in front where it brings none."""

    max_completion_tokens: int | None = Field(default=None, ge=1, le=LONGEST)
    """`max_tokens` by its newer name."""

    logprobs: bool | None = None
    """Whether each token's log-probability is told."""

    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """How many of the likeliest tokens are told beside each; needs `logprobs`. 0 to 20."""

    response_format: Shape | None = None
    """Only `{"type": "text"}`."""

    tools: list[Offered] | None = Field(default=None, max_length=128)
    """Tools that the model may call, where its template writes calls so that they can be read back."""

    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    """`auto` leaves it to the model, `none` offers no tool. A model cannot be made to call: the others are refused."""

    parallel_tool_calls: bool | None = None
    """Only true: a model may call several tools in one turn."""


Prompt = Annotated[str, StringConstraints(min_length=1)]


@final
class CompletionWish(Drawn):
    """Texts to be gone on with, without any template."""

    prompt: Prompt | Annotated[list[Prompt], Field(min_length=1, max_length=16)]
    """A text, or up to 16; control tokens in it stay text."""

    logprobs: int | None = Field(default=None, ge=0, le=5)
    """How many of the likeliest tokens are told beside each; 0 tells the token's own. 0 to 5."""

    echo: bool | None = None
    """Only false: the prompt is not said again."""

    suffix: str | None = None
    """Only empty: nothing is written between two texts."""

    best_of: int | None = Field(default=None, ge=1, le=16)
    """Only as many as `n`: every answer is told."""


def untaken(wish: Drawn) -> None:
    """Raise Refused for a field that is known and cannot be honoured, by its name."""
    given = wish.model_dump(exclude_none=True)
    ignored = {"best_of": wish.n or 1}
    for name in UNTAKEN:
        if given.get(name) and given[name] != ignored.get(name):
            raise Refused(400, f"`{name}` is not supported here; leave it out", param=name, code="unsupported")
    if wish.stream_options is not None and not wish.stream:
        raise Refused(400, "`stream_options` needs `stream`", param="stream_options", code="invalid_body")


def sampling_of(wish: Drawn, shipped: Sampling) -> Sampling:
    """How the answer is drawn; what is not said stays as the base ships it."""
    said: dict[str, Any] = {name: value for name, value in (
        ("temperature", wish.temperature), ("top_p", wish.top_p), ("top_k", wish.top_k),
        ("repetition_penalty", wish.repetition_penalty), ("max_new_tokens", longest_of(wish)),
    ) if value is not None}
    return replace(shipped, **said, seed=secrets.randbelow(1 << 62) if wish.seed is None else wish.seed)


def longest_of(wish: Drawn) -> int | None:
    """The most tokens, by either of its names. Raises Refused where the two differ."""
    newer = wish.max_completion_tokens if isinstance(wish, ChatWish) else None
    if wish.max_tokens is not None and newer is not None and wish.max_tokens != newer:
        raise Refused(400, "`max_tokens` and `max_completion_tokens` differ; give one of them",
                      param="max_completion_tokens", code="invalid_body")
    return newer or wish.max_tokens


def stops_of(wish: Drawn) -> tuple[str, ...]:
    """The texts that end the answer."""
    return (wish.stop,) if isinstance(wish.stop, str) else tuple(wish.stop or ())
