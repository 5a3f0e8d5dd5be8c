"""What the two routes of written text share: how an answer is told whole and piece by piece, and counted."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .refusals import Refused
from .seen import Exchange, noted, shared_sureness
from .service import service_of
from .streaming import HUNG_UP, Streamed, while_heard
from .talk import Talk
from .wishes import Drawn
from .written import Part


class Answer(ABC):
    """One request's answers. What differs between the routes is what a choice looks like."""

    prefix: ClassVar[str]

    def __init__(self, request: Request, talk: Talk, wish: Drawn, asked: str) -> None:
        self.talk = talk
        self.wish = wish
        self._request = request
        self._facts = {"id": f"{self.prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": wish.model,
                       "system_fingerprint": talk.served.fingerprint}
        self._asked = asked
        self._error: str | None = None
        self._ended = False

    async def response(self) -> Response:
        """Streamed, where that is asked for; else whole."""
        if self.wish.stream:
            return Streamed(self._events(), self._end)
        try:
            parts = await while_heard(self._request, self.talk.whole())
            choices = [self.choice(index, each) for index, each in enumerate(parts)]
            return JSONResponse({**self._facts, "object": self.object(streamed=False), "choices": choices,
                                 "usage": self.talk.usage()})
        except Refused as refused:
            self._error = refused.code
            raise
        finally:
            self._end()

    @abstractmethod
    def object(self, *, streamed: bool) -> str:
        """What OpenAI calls such a value."""

    @abstractmethod
    def choice(self, index: int, parts: Sequence[Part]) -> Mapping[str, Any]:
        """A whole answer."""

    @abstractmethod
    def opening(self, index: int) -> Mapping[str, Any] | None:
        """What is told of an answer before its first piece, if anything."""

    @abstractmethod
    def piece(self, index: int, part: Part) -> Sequence[Mapping[str, Any]]:
        """What is told of a part."""

    async def _events(self) -> AsyncIterator[Mapping[str, Any]]:
        counted = self.wish.stream_options is not None and self.wish.stream_options.include_usage
        facts = {**self._facts, "object": self.object(streamed=True), **({"usage": None} if counted else {})}
        for index in range(len(self.talk.written)):
            opening = self.opening(index)
            if opening is not None:
                yield {**facts, "choices": [opening]}
        try:
            async for index, part in self.talk.parts():
                for told in self.piece(index, part):
                    yield {**facts, "choices": [told]}
        except Refused as refused:
            self._error = refused.code
            raise
        if counted:
            yield {**facts, "choices": [], "usage": self.talk.usage()}

    def _end(self) -> None:
        """The places are free, and what was done is counted and told to whoever watches, once."""
        if self._ended:
            return
        self._ended = True
        talk, name = self.talk, self.talk.served.name
        talk.close()
        counts = service_of(self._request).counts
        counts.tokens.labels(name, "in").inc(talk.tokens_in)
        counts.tokens.labels(name, "out").inc(talk.tokens_out)
        if talk.first is not None:
            counts.first.labels(name).observe(talk.first)
        if self._error is None and not talk.ended:
            self._error = HUNG_UP
        noted(self._request.app.state.log, Exchange(
            str(self._facts["id"]), name, talk.served.task, self._asked,
            "\n".join(each.text for each in talk.written), (talk.tokens_in, talk.tokens_out), talk.seconds,
            shared_sureness(sum(each.log_probability for each in talk.written), talk.tokens_out),
            error=self._error))
