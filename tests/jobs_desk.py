"""A folder of jobs with its runner, and processes that are only played.

Tests say `from jobs_desk import Desk`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fine_tuned import rows
from tunesmith.jobs import asking, files
from tunesmith.jobs.asking import Asked, Offered
from tunesmith.jobs.place import Place, Work
from tunesmith.jobs.runner import Runner
from tunesmith.jobs.store import Store

BASES = {"base": Offered("base", "/models/base", 512)}
AT_ONCE = 2
FINISHED = ("succeeded", "failed", "cancelled")


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


class Desk:
    """A folder of jobs, its runner, and the world of processes around it."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.place, self.world, self.announced = Place(folder), world or World(), []
        for path in (self.place.path, self.place.files, self.place.incoming, self.place.works):
            path.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.place)
        files.tidy(self.store)
        asking.tidy(self.store)
        self.runner = Runner(self.store, lambda name, path: self.announced.append(name), AT_ONCE, self.world.start)
        self.runner.announce_finished()

    def send(self, content: bytes = b"") -> str:
        with files.receiving(self.place, 1 << 20) as received:
            received.write(content or rows())
            return files.keep(self.store, received, "mine.jsonl", files.FINE_TUNE).id

    def ask(self, file: str = "", **said: Any) -> str:
        wish = {"model": "base", "training_file": file or self.send(), "validation_file": None, "suffix": "", "seed": 1,
                "epochs": None, "batch_size": None, "learning_rate_multiplier": None, "metadata": None, **said}
        return asking.create(self.store, BASES, Asked(**wish)).id

    def work(self, job: str) -> Work:
        return self.place.work(job)

    def status(self, job: str) -> str:
        return self.store.job(job).status

    def process(self, job: str) -> Played:
        self.runner.turn()
        return self.world.alive[job]

    def queued(self, **said: Any) -> str:
        """A job whose files are found to be valid."""
        job = self.ask(**said)
        self.world.check(self.process(job), self.work(job))
        return job

    def running(self, **said: Any) -> str:
        """A job that is being trained."""
        job = self.queued(**said)
        assert self.process(job).words[0] == "train"
        return job

    def said(self, job: str) -> list[str]:
        return [event.message for event in self.store.events(job, after=None, limit=100)][::-1]
