"""uvicorn, bounded: half-sent headers are closed, clients that do not read are let go, refusals are JSON.

uvicorn alone keeps a connection that has sent half a header, or that reads nothing, for ever (0.54: its keep-alive
time-out runs only between requests). The protocol class is handed to it as `http=`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from . import logs
from .checks import Door, too_many
from .denied import CLOSE, Denied
from .limits import Limits, raise_open_files

BACKLOG = 2048


def configured(app: Callable[..., Any], door: Door, port: int) -> uvicorn.Config:
    """How uvicorn is run: what is said here is not left to its defaults or to the environment."""
    limits = door.limits
    raise_open_files()
    return uvicorn.Config(
        app, host=door.host.strip("[]"), port=port, http=bounded(limits), ws="none", loop="asyncio", workers=1,
        backlog=BACKLOG, h11_max_incomplete_event_size=limits.header_bytes, timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.drain_seconds, server_header=False, access_log=False,
        proxy_headers=False, forwarded_allow_ips=[],  # who asks is whoever is connected, whatever a header says
        log_config=logs.config(door.key),
    )


def bounded(limits: Limits) -> type[H11Protocol]:
    """The protocol class with these limits."""
    return type("Bounded", (_Bounded,), {"limits": limits})


class _Bounded(H11Protocol):
    """One connection."""

    limits: ClassVar[Limits] = Limits()
    _header: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _unread = 0
    _came = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header; beyond the most connections, say so and close."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` tells of every client that does not read
        if len(self.connections) > self.limits.connections:
            self._turn_away(Denied(503, "too many connections are open; try again", "busy", {"retry-after": "1"}))
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and see whether it is half a header still."""
        self._came += len(data)
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all waiting."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._header = self._stopped(self._header)
        self._reader = self._stopped(self._reader)

    def pause_writing(self) -> None:
        """Begin to watch a client that has not read what was sent."""
        super().pause_writing()
        if self._reader is None:
            self._unread = self.transport.get_write_buffer_size()
            self._reader = self.loop.call_later(self.limits.write_seconds, self._look)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._reader = self._stopped(self._reader)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so, unless an answer has begun: then nothing sensible can follow."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the route learns of it as of a client that hung up
            self.cycle.message_event.set()
        if self._came > self.limits.header_bytes and self.conn.our_state is h11.IDLE:
            self._turn_away(too_many(self.limits))
        elif self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._turn_away(Denied(400, "this is no HTTP request that can be read", "malformed"))
        else:
            self.transport.abort()

    def _should_upgrade(self) -> bool:
        return False  # uvicorn would write two lines into the log for each wish

    def _watch(self) -> None:
        """A header's time begins with the connection or its first byte, and no further byte prolongs it."""
        half = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not half:
            self._came = 0
        if not half or self.timeout_keep_alive_task is not None:
            self._header = self._stopped(self._header)
        elif self._header is None:
            self._header = self.loop.call_later(self.limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._header = None
        if not self.transport.is_closing():
            self._turn_away(Denied(408, "the header did not come in time", "header_time"))

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left > self._unread - self.limits.write_bytes:
            self._reader = None
            self.transport.abort()
        else:
            self._unread = left
            self._reader = self.loop.call_later(self.limits.write_seconds, self._look)

    def _turn_away(self, denied: Denied) -> None:
        body = denied.body
        head = h11.Response(status_code=denied.status, headers=[*denied.head(body), CLOSE],
                            reason=STATUS_PHRASES[denied.status])
        parts = [self.conn.send(event) for event in (head, h11.Data(data=body), h11.EndOfMessage())]
        self.transport.write(b"".join(part for part in parts if part))
        self.transport.close()

    @staticmethod
    def _stopped(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
