"""Clients that send half, or read nothing: they are let go in time, and keep nobody else waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import Counter

import pytest

from crowds import all_at_once, health_watched, p99, process, said, wish
from served import allowed, serving
from tiny import tiny_base
from tunesmith.inference import predictor
from tunesmith.serving.checks import Door
from tunesmith.serving.limits import Limits, raise_open_files
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from wire import Heard, request

pytestmark = allowed
MEBIBYTE = 1 << 20
QUICK = Limits(header_seconds=0.5, body_seconds=0.5, write_seconds=0.5)
HALF_HEADER = request("POST", "/v1/completions", b"{}")[:40]
HALF_BODY = request("POST", "/v1/completions", b'{"model": "tiny"', content_length="500",
                    content_type="application/json")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("slow") / "tiny")


@pytest.fixture(scope="module")
def quick(base):
    """A port of a server with short bounds."""
    models = Registry(Settings())
    models.put("tiny", predictor.open(str(base)), None)
    with serving(models, Door(limits=QUICK)) as server:
        yield server.port


def beset(port: int, headers: int, bodies: int, readers: int) -> tuple[list[Heard], list[float], float]:
    """So many slow clients at once, until the last was let go.

    Returns what the half-sent were told, how long each `/health` took meanwhile, and the seconds until all were closed.
    """

    async def slow_reader(number: int) -> None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, wish("tiny", number, tokens=400, stream=True, n=8))
            with contextlib.suppress(ConnectionError):
                while await loop.sock_recv(client, 1):
                    if over.is_set():
                        return
                    await asyncio.sleep(1)
        finally:
            client.close()

    async def go() -> tuple[list[Heard], float]:
        began = time.monotonic()
        reading = [asyncio.create_task(slow_reader(number)) for number in range(readers)]
        halves = await asyncio.gather(*(said(port, HALF_HEADER) for _ in range(headers)),
                                      *(said(port, HALF_BODY) for _ in range(bodies)))
        took = time.monotonic() - began
        over.set()
        await asyncio.gather(*reading)
        return list(halves), took

    over = asyncio.Event()
    with health_watched(port) as health:
        halves, took = asyncio.run(go())
    assert max(health) < float("inf")
    return halves, health, took


@pytest.mark.fault("slow clients")
def test_half_sent_requests_and_slow_readers_are_let_go_while_health_answers(quick, record_property):
    halves, health, _ = beset(quick, 40, 40, 8)
    assert Counter(each.status for each in halves) == {408: 80}
    assert len(health) > 3
    record_property("tried", 88)


@pytest.mark.fault("slow clients")
@pytest.mark.long
def test_five_hundred_half_headers_five_hundred_half_bodies_and_two_hundred_slow_readers(
    base, tmp_path, record_property
):
    raise_open_files()
    with process(tmp_path, f"tiny={base}", "--queue", "2000") as server:
        all_at_once(server.port, [wish("tiny", number) for number in range(32)])
        before = server.memory()
        halves, health, took = beset(server.port, 500, 500, 200)
        during = server.memory()
        print(f"half-sent: {dict(Counter(each.status for each in halves))}, all closed after {took:.1f} s; /health p99 "
              f"{p99(health):.3f} s of {len(health)}; memory {before / MEBIBYTE:.0f} -> {during / MEBIBYTE:.0f} MiB")
        assert Counter(each.status for each in halves) == {408: 1000}
        assert p99(health) < 1
        assert took < 20
        assert "Traceback" not in server.log.read_text()
    record_property("tried", 1200)
