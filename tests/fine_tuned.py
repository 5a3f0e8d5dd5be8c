"""A server of jobs on 127.0.0.1 in this process, as OpenAI's own client asks it; and processes that are only played.

Tests say `from fine_tuned import asked, rows`, and mark themselves with `hub.allowed`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import openai
from fastapi import FastAPI

from tunesmith.jobs import service
from tunesmith.jobs.place import Work
from tunesmith.serving import files, fine_tuning, refusals
from tunesmith.serving.checks import Door
from wire import running


def rows(count: int = 24) -> bytes:
    """Conversations as OpenAI has them."""
    return b"".join(json.dumps({"messages": [
        {"role": "user", "content": f"How many hats after {n}?"},
        {"role": "assistant", "content": f"{n + 1} hats."}]}).encode() + b"\n" for n in range(count))


@contextmanager
def asked(folder: Path, bases: Sequence[str]) -> Iterator[tuple[openai.OpenAI, service.Jobs]]:
    """A client of a folder of jobs, which nobody takes further."""
    app = FastAPI()
    refusals.installed(app)
    with service.opened(folder, bases) as jobs:
        app.include_router(files.router(jobs.store))
        app.include_router(fine_tuning.router(jobs))
        with running(app, Door()) as port, openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none",
                                                         max_retries=0) as client:
            yield client, jobs


@dataclass
class Played:
    """A process that does what its world says."""

    world: World
    job: str
    words: Sequence[str]
    code: int | None = None
    asked_to_stop: bool = False

    def poll(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.asked_to_stop = True

    def end(self, code: int) -> None:
        """End, and let go of the lock."""
        self.code = code
        self.world.alive.pop(self.job)


@dataclass
class World:
    """All processes, whoever started them. ran: how often each job's training came to its end."""

    alive: dict[str, Played] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)

    def start(self, work: Work, words: Sequence[str]) -> Played | None:
        job = work.path.name
        if job in self.alive:
            return None
        self.alive[job] = Played(self, job, words)
        return self.alive[job]

    def check(self, played: Played, work: Work, mistakes: Sequence[Mapping[str, str]] = ()) -> None:
        """Let a check come to its end."""
        findings = [{"severity": "error", **each} for each in mistakes]
        work.answer.write_text(json.dumps({"ok": not findings, "findings": findings, "rows": {"train": 3}}))
        played.end(3 if findings else 0)

    def step(self, work: Work) -> Path:
        """Let a training take a step, and save it; its run's folder."""
        run = work.runs / "2026-11-22-job-0000"
        run.mkdir(parents=True, exist_ok=True)
        (run / "recipe.yaml").touch()
        number = sum(1 for _ in (run / "records.jsonl").open()) + 1 if (run / "records.jsonl").exists() else 1
        with (run / "records.jsonl").open("a") as file:
            line = {"kind": "step", "step": number, "loss": 1 / number, "rate": 1e-3, "tokens": 7}
            file.write(json.dumps(line) + "\n")
        return run

    def train(self, played: Played, work: Work) -> None:
        """Let a training come to its end."""
        run = self.step(work)
        with (run / "records.jsonl").open("a") as file:
            file.write(json.dumps({"kind": "done", "step": 1, "stopped": "done"}) + "\n")
        self.ran[played.job] = self.ran.get(played.job, 0) + 1
        work.answer.write_text("{}")
        played.end(0)
