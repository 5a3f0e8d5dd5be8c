"""What the two routes of written text share: how an answer is told whole and piece by piece, and counted."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .service import Service
from .streaming import Streamed, while_heard
from .talk import Talk
from .wishes import Drawn
from .written import Part


class Answer(ABC):
    """One request's answers. What differs between the routes is what a choice looks like."""

    def __init__(self, service: Service, talk: Talk, wish: Drawn, prefix: str) -> None:
        self.talk = talk
        self.wish = wish
        self._service = service
        self._facts = {"id": f"{prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": wish.model,
                       "system_fingerprint": talk.served.fingerprint}
        self._ended = False

    async def response(self, request: Request) -> Response:
        """Streamed, where that is asked for; else whole."""
        if self.wish.stream:
            return Streamed(self._events(), self._end)
        try:
            parts = await while_heard(request, self.talk.whole())
            choices = [self.choice(index, each) for index, each in enumerate(parts)]
            return JSONResponse({**self._facts, "object": self.object(streamed=False), "choices": choices,
                                 "usage": self.talk.usage()})
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
        async for index, part in self.talk.parts():
            for told in self.piece(index, part):
                yield {**facts, "choices": [told]}
        if counted:
            yield {**facts, "choices": [], "usage": self.talk.usage()}

    def _end(self) -> None:
        """The places are free, and what was done is counted, once."""
        if self._ended:
            return
        self._ended = True
        self.talk.close()
        counts, name = self._service.counts, self.talk.served.name
        counts.tokens.labels(name, "in").inc(self.talk.tokens_in)
        counts.tokens.labels(name, "out").inc(self.talk.tokens_out)
        if self.talk.first is not None:
            counts.first.labels(name).observe(self.talk.first)
