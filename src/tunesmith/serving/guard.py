"""The one middleware before routing: what may not come in is turned away here, and no traceback goes out.

`app.add_middleware(Guard, door=Door(…))`, added last, so that it is the first to see a request. Bodies are counted and
timed while a route reads them; an answer that comes before its request's body has come ends the connection.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .checks import OPEN, Asked, Door, denied, too_large
from .denied import CLOSE, Denied

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOG = logging.getLogger("tunesmith.serving")
LEFT = {"type": "http.disconnect"}
SWALLOWED_BYTES = 1 << 20  # of a body that nobody wants, so that the client reads its answer before it meets a reset
SWALLOWED_SECONDS = 1.0
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, door: Door) -> None:
        self._app = app
        self._door = door
        self._going = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Turn a request away, or hand it on and watch over it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        asked = Asked.of(scope)
        exchange = _Exchange(asked, receive, send, self._door)
        refused = denied(asked, self._door)
        if refused is None and self._going >= self._door.limits.requests and asked.path != OPEN:
            refused = Denied(503, "too many requests are under way; try again", "busy", {"retry-after": "1"})
        if refused is not None:
            await exchange.deny(refused)
            return
        self._going += 1
        try:
            await exchange.run(self._app, scope)
        finally:
            self._going -= 1


class _Exchange:
    """One request and its answer."""

    def __init__(self, asked: Asked, receive: Receive, send: Send, door: Door) -> None:
        self._asked, self._receive, self._send = asked, receive, send
        self._limits = door.limits
        self._most = door.limits.body(asked.path)
        self._whole = not asked.has_body
        self._came = 0
        self._began: float | None = None
        self._started = self._cut = self._gone = False

    async def run(self, app: App, scope: MutableMapping[str, Any]) -> None:
        """The answer of the application; an error of its own becomes a 500 that tells no more than a number."""
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:  # the server stops, and this answer took longer than it waits
            await self.deny(Denied(503, "the server is stopping", "stopping", {"retry-after": "5"}))
        except Exception as error:  # a fault of one route must not show itself to a stranger
            if self._cut or self._gone:
                return
            number = secrets.token_hex(8)
            LOG.error("request %s, %s %s", number, self._asked.method, self._asked.path, exc_info=error)
            await self.deny(Denied(500, f"the server has a fault; its log tells more under `{number}`", "fault"))

    async def receive(self) -> Message:
        """The next message for the application; a body is cut off beyond its bounds."""
        if self._cut:
            return dict(LEFT)
        if self._whole:
            return self._seen(await self._receive())
        try:
            async with asyncio.timeout(self._patience()):
                message = self._seen(await self._receive())
        except TimeoutError:
            await self._end(Denied(408, "the body did not come in time", "body_time"))
            return dict(LEFT)
        if self._came > self._most:
            await self._end(too_large(self._most))
            return dict(LEFT)
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, the first with the headers that every answer has."""
        if self._cut:
            return
        if message["type"] == "http.response.start":
            self._started = True
            headers = list(message.get("headers", ()))
            said = {name.lower() for name, _ in headers}
            if CLOSE[0] not in said and not await self._swallowed():
                headers.append(CLOSE)
            message = {**message, "headers": headers + [header for header in HEADERS if header[0] not in said]}
        await self._send(message)

    async def deny(self, refused: Denied) -> None:
        """Answer with a refusal, where no answer has begun; else nothing more is said, which ends the connection."""
        if self._started or self._cut:
            return
        body = refused.body
        await self.send({"type": "http.response.start", "status": refused.status, "headers": refused.head(body)})
        await self.send({"type": "http.response.body", "body": body})

    async def _end(self, refused: Denied) -> None:
        self._gone = True  # nothing more is read of it
        await self.deny(refused)
        self._cut = True

    def _patience(self) -> float:
        """Seconds until the next part of the body must have come."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        whole = self._began + self._limits.body_seconds + self._came / self._limits.body_rate
        return min(self._limits.body_seconds, whole - now)

    def _seen(self, message: Message) -> Message:
        if message["type"] == "http.disconnect":
            self._gone = True
        elif message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        return message

    async def _swallowed(self) -> bool:
        """Whether all of the body was read, which is done now where it is small and nobody has.

        Whoever waits for leave to send a body is not given it.
        """
        hopeless = self._gone or "expect" in self._asked.headers or self._asked.length > SWALLOWED_BYTES
        if self._whole or hopeless:
            return self._whole
        try:
            async with asyncio.timeout(SWALLOWED_SECONDS):
                while not (self._whole or self._gone) and self._came <= SWALLOWED_BYTES:
                    self._seen(await self._receive())
        except TimeoutError:
            return False
        return self._whole
