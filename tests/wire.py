"""A server of ours in a thread on 127.0.0.1, and clients that send bytes as no library would.

Tests say `from wire import allowed, running, talk`, mark themselves with `allowed`, and give an ASGI application:

    with running(application, Door()) as port:
        assert talk(port, b"GET /health HTTP/1.1\\r\\n…").status == 200
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tunesmith.serving.checks import Door

allowed = pytest.mark.allow_hosts(["127.0.0.1"])
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Heard:
    """What came back until the server closed, or the answer was whole."""

    raw: bytes

    @property
    def status(self) -> int:
        """0 where nothing came."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
        return {name.decode().lower(): value.strip().decode()
                for name, _, value in (line.partition(b":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


@contextlib.contextmanager
def running(app: Callable[..., Any], door: Door) -> Iterator[int]:
    """The port of a server that runs in a thread until the block ends."""
    import uvicorn

    from tunesmith.serving.guard import Guard
    from tunesmith.serving.protocol import configured

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(2048)
        config = configured(Guard(app, door), door, 0)
        config.log_config = None
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[taken])), daemon=True)
        thread.start()
        _until(lambda: server.started)
        try:
            yield taken.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)


def _until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def connected(port: int) -> socket.socket:
    """A connection with patience."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def talk(port: int, sent: bytes) -> Heard:
    """Send bytes and hear until the server closes, or until a whole answer with a `Content-Length` has come."""
    with connected(port) as client:
        with contextlib.suppress(ConnectionError):  # it may have closed before all was sent
            client.sendall(sent)
        return heard(client)


def heard(client: socket.socket) -> Heard:
    """One answer of a connection."""
    raw = b""
    while not _is_whole(raw):
        try:
            part = client.recv(65_536)
        except ConnectionError:
            break
        if not part:
            break
        raw += part
    return Heard(raw)


def _is_whole(raw: bytes) -> bool:
    if b"\r\n\r\n" not in raw:
        return False
    answer = Heard(raw)
    length = answer.headers.get("content-length")
    return length is not None and len(answer.body) >= int(length)


def request(method: str = "GET", path: str = "/echo", body: bytes = b"", **headers: str) -> bytes:
    """A request in bytes; a header is left out by None, and `_` in a name is `-`."""
    said: dict[str, str | None] = {"host": "127.0.0.1", "content-length": str(len(body)) if body else None}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


@dataclass
class Toy:
    """An ASGI application that counts what reaches it: it echoes bodies, streams, fails and waits as asked."""

    reached: list[str] = field(default_factory=list)
    left: int = 0
    sent: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        self.reached.append(f"{scope['method']} {scope['path']}")
        if scope["path"] == "/fails":
            raise RuntimeError("a fault with the secret sk-" + "s" * 30)
        if scope["path"] == "/fails-later":
            await self._answer(send, b"half", more=True)
            raise RuntimeError("a fault in the middle")
        if scope["path"] == "/stream":
            await self._stream(receive, send)
            return
        body = b"" if scope["path"] == "/unread" else await self._body(receive)
        if body is not None:
            await self._answer(send, body)

    async def _body(self, receive: Any) -> bytes | None:
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return None
            parts.append(message["body"])
            if not message.get("more_body"):
                return b"".join(parts)

    async def _stream(self, receive: Any, send: Any) -> None:
        gone = asyncio.create_task(self._gone(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            self.sent += 1
            await asyncio.sleep(0)
        self.left += 1

    async def _gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _answer(self, send: Any, body: bytes, *, more: bool = False) -> None:
        length = [] if more else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body, "more_body": more})
