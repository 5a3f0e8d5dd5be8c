"""Jobs whose server is killed, alone or with its child, or asked to stop: they end as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from fine_tuned import rows
from hub import allowed
from tiny import tiny_base
from tunesmith.jobs.place import Place
from tunesmith.runs import folder

pytestmark = [pytest.mark.long, allowed, pytest.mark.timeout(1800)]
ASKED = {"n_epochs": 30, "batch_size": 2}  # some hundred steps, saved every 12
KILLED_AT = 30


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own time-out is the limit."""
    while not holds():
        time.sleep(0.1)


class Server:
    """`tunesmith serve` as a process of its own, and OpenAI's client of it."""

    def __init__(self, jobs: Path, base: Path) -> None:
        words = ["serve", "--jobs", str(jobs), "--base", str(base), "--port", "0", "--json"]
        self.process = subprocess.Popen([sys.executable, "-m", "tunesmith", *words], stdout=subprocess.PIPE, text=True,
                                        stderr=(jobs.parent / "server.txt").open("a"))
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)
        self.jobs = self.client.fine_tuning.jobs

    def ask(self, file: str) -> str:
        return self.jobs.create(model="base", training_file=file, seed=3, hyperparameters=ASKED).id

    def end(self, number: int) -> int:
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    base, servers = tiny_base(tmp_path / "base"), []

    def started() -> Server:
        servers.append(Server(tmp_path / "jobs", base))
        return servers[-1]

    yield started
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


def kept(run: folder.Run) -> dict[str, Any]:
    """What has to be the same: the records, and every tensor of the last checkpoint."""
    newest = max(run.checkpoints.glob("step-*"))
    return {"records": run.records_file.read_bytes(), "step": newest.name,
            **{file.name: file.read_bytes() for file in newest.glob("*.safetensors")}}


@pytest.mark.fault("a server of jobs is killed or stopped")
def test_a_job_survives_its_server_and_ends_with_the_same_weights(start, tmp_path, record_property):
    place = Place(tmp_path / "jobs")

    def run_of(job: str) -> folder.Run | None:
        return place.work(job).run()

    def far_enough(job: str) -> bool:
        run = run_of(job)
        return run is not None and folder.status(run).steps >= KILLED_AT

    def done(server: Server, job: str) -> bool:
        found = server.jobs.retrieve(job)
        assert found.status in ("validating_files", "queued", "running", "succeeded"), found.error
        return found.status == "succeeded"

    def owner(job: str) -> int:
        return int(json.loads(run_of(job).lock_file.read_text())["pid"])

    server = start()
    file = server.client.files.create(file=("rows.jsonl", rows()), purpose="fine-tune").id
    whole = server.ask(file)
    until(lambda: done(server, whole))
    expected = kept(run_of(whole))
    steps = folder.status(run_of(whole)).steps
    assert steps > 4 * KILLED_AT

    stops = ((False, signal.SIGKILL), (True, signal.SIGKILL), (False, signal.SIGTERM))
    for tried, (child_too, by) in enumerate(stops, 1):
        job = server.ask(file)
        until(lambda job=job: far_enough(job))
        child = owner(job)
        code = server.end(by)
        assert code == (0 if by == signal.SIGTERM else -by)
        if child_too:
            os.kill(child, signal.SIGKILL)
        assert not folder.status(run_of(job)).finished
        server = start()  # at once: what is left of the one before may live still
        until(lambda server=server, job=job: done(server, job))
        assert len(list(place.work(job).runs.iterdir())) == 1, "the job was begun twice"
        assert kept(run_of(job)) == expected
        told = [event.message for event in server.jobs.list_events(job, limit=100) if event.message.startswith("step ")]
        assert len(told) == len(set(told)) == steps, "a step was told twice, or not at all"
        record_property("tried", tried)
    answer = server.client.chat.completions.create(
        model=server.jobs.retrieve(job).fine_tuned_model, messages=[{"role": "user", "content": "hats?"}], max_tokens=2)
    assert answer.choices
    assert server.end(signal.SIGTERM) == 0
