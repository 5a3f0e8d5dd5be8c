"""Many clients at once, some of them rude, and a `tunesmith serve` in a process of its own to send them to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wire import Heard, request, talk

CALM_SECONDS = 60.0


@dataclass(frozen=True)
class Process:
    """A server of its own. log: what it wrote to stderr."""

    child: subprocess.Popen[str]
    port: int
    log: Path

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    def files(self) -> int:
        """Open files and connections."""
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def ended(self, by: int = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        self.child.send_signal(by)
        return self.child.wait(CALM_SECONDS)


@contextlib.contextmanager
def process(folder: Path, *words: str) -> Iterator[Process]:
    """`tunesmith serve …` on a free port, until the block ends."""
    log = folder / "serve.log"
    with log.open("w") as errors:
        child = subprocess.Popen([sys.executable, "-m", "tunesmith", "serve", *words, "--port", "0", "--json"],
                                 stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert child.stdout is not None
        told = child.stdout.readline()
        assert told, log.read_text()
        port = int(json.loads(told)["url"].rsplit(":", 1)[1])
        _once(lambda: told_of(port, b"GET", "/ready").status == 200)
        yield Process(child, port, log)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def _once(holds: Callable[[], object]) -> None:
    end = time.monotonic() + CALM_SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def told_of(port: int, method: bytes, path: str) -> Heard:
    """One answer, or nothing where the connection fails."""
    with contextlib.suppress(ConnectionError):
        return asyncio.run(said(port, request(method.decode(), path, connection="close")))
    return Heard(b"")


async def said(port: int, sent: bytes) -> Heard:
    """What comes back until the server closes; what it said before it closed rudely counts too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parts = []
    try:
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                parts.append(part)
    finally:
        writer.transport.abort()
    return Heard(b"".join(parts))


def wish(model: str, number: int, *, tokens: int = 8, **more: Any) -> bytes:
    """A request whose answer belongs to its number: the number is in the prompt and is the seed."""
    body = {"model": model, "prompt": f"What is {number:06d}?", "max_tokens": tokens, "temperature": 1.0,
            "seed": number, **more}
    return request("POST", "/v1/completions", json.dumps(body).encode(), connection="close",
                   content_type="application/json")


def all_at_once(port: int, sent: Sequence[bytes]) -> list[Heard]:
    """What each was told."""

    async def go() -> list[Heard]:
        return list(await asyncio.gather(*(said(port, each) for each in sent)))

    return asyncio.run(go())


@contextlib.contextmanager
def health_watched(port: int) -> Iterator[list[float]]:
    """Ask for `/health` again and again meanwhile, from a thread of its own; the seconds that each answer took."""
    over, seconds = threading.Event(), []

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            answer = talk(port, request(path="/health", connection="close"))
            seconds.append(time.monotonic() - began if answer.status == 200 else float("inf"))
            over.wait(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seconds
    finally:
        over.set()
        asking.join()


def text_of(heard: Heard) -> str:
    """The text of a completion."""
    return json.loads(heard.body)["choices"][0]["text"]


def idle(port: int) -> bool:
    """Whether no answer is written and none waits."""
    told = told_of(port, b"GET", "/metrics").body.decode()
    return all(float(value) == 0 for value in
               re.findall(r"^tunesmith_(?:running_rows|queue_length)\{[^}]*\} (\S+)$", told, re.M))


def calm(port: int) -> None:
    """Wait until no answer is written and none waits."""
    _once(lambda: idle(port))


def p99(seconds: Sequence[float]) -> float:
    """The time that 99 of 100 stay below."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
