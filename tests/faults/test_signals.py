"""Signals and a full disk, as a scheduler and a shell make them: the command line in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tiny import tiny_base
from tunesmith.cli import main

RECIPE = """base: ./base
task: chat
data: {train: rows.jsonl, validation: 0, test: 0.2}
adapter: {type: lora, rank: 4}
training: {learning_rate: 1e-2, steps: 400, epochs: 99, batch_size: 4, max_length: 128, save_every: 3}
evaluation: {generate: 0}
run: {folder: %s}
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("signals")
    tiny_base(made / "base")
    rows = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(50)]
    (made / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "r.yaml").write_text(RECIPE % (made / "runs"))
    return made


def start(folder: Path, name: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """`tunesmith train`, begun."""
    command = [sys.executable, "-m", "tunesmith", "train", str(folder / "r.yaml"), f"run.name={name}"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, preexec_fn=before)


def at_step(process: subprocess.Popen[str], step: int) -> None:
    """Wait until it says that this step is taken."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == ["step"] and int(line.split()[1].split("/")[0]) >= step:
            return
    raise AssertionError("it ended before that step")


def goes_on(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The run can be finished, a few steps later, and nothing half-written is left."""
    run = next((folder / "runs").glob(f"*-{name}-*"))
    steps = len([line for line in (run / "records.jsonl").read_text().splitlines()])
    assert steps < 400
    process = subprocess.Popen([sys.executable, "-m", "tunesmith", "train", "--resume", str(run)],
                               stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    at_step(process, 1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 75
    assert not [path for path in (run / "checkpoints").iterdir() if path.name.startswith(".")]
    assert main(["list", str(folder / "runs"), "--json"]) == 0
    assert any(found["run"] == str(run) for found in json.loads(capsys.readouterr().out))


@pytest.mark.fault("signals in each phase")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_saves_says_how_to_go_on_and_ends_with_75(
    folder: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(folder, number.name.lower())
    at_step(process, 4)
    process.send_signal(number)
    assert process.stderr is not None
    process.stderr.read()
    assert process.wait() == 75
    run = next((folder / "runs").glob(f"*-{number.name.lower()}-*"))
    last = json.loads((run / "records.jsonl").read_text().splitlines()[-1])["step"]
    assert (run / "checkpoints" / f"step-{last:08d}" / "manifest.json").is_file()


@pytest.mark.fault("signals in each phase")
def test_a_second_ctrl_c_stops_at_once_and_leaves_nothing_torn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(folder, "twice")
    at_step(process, 4)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    process.stderr.read()
    # the two may arrive as one, and the first alone is a request to stop
    assert process.wait() in (130, 75)
    goes_on(folder, "twice", capsys)


@pytest.mark.fault("full disk, limit, read-only folder")
def test_a_file_that_may_not_grow_ends_with_1_and_the_run_goes_on_later(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        # the report fits in, the optimiser does not
        resource.setrlimit(resource.RLIMIT_FSIZE, (38_000, 38_000))

    process = start(folder, "full", limit)
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.wait() == 1
    assert "fix:" in said
    assert "Traceback" not in said
    goes_on(folder, "full", capsys)
