"""Answers over the wire: piece by piece or whole, and given up as soon as nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .refusals import Refused

T = TypeVar("T")
DONE = b"data: [DONE]\n\n"
HUNG_UP = "hung_up"
CLOSED = 499  # as nginx counts it; nobody reads it


class Streamed(StreamingResponse):
    """Server-sent events; whatever ends them, `closed` is called."""

    def __init__(self, events: AsyncIterator[Mapping[str, Any]], closed: Callable[[], None]) -> None:
        super().__init__(_encoded(events), media_type="text/event-stream",
                         headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.closed()


async def _encoded(events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """The events, then the mark of the end; what goes wrong on the way is an event too, and no mark follows it."""
    try:
        async for event in events:
            yield event_of(event)
    except Refused as refused:
        yield event_of(refused.told())
        return
    yield DONE


def event_of(value: Mapping[str, Any]) -> bytes:
    """One event on one line."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


async def while_heard(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled, and Refused raised, as soon as the client has hung up."""
    doing = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Refused(CLOSED, "the client has hung up", code=HUNG_UP)
        return doing.result()
    finally:
        for each in (doing, gone):
            each.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
