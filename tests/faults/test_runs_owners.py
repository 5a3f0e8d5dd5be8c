"""A run has one owner, and none once that process is gone."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from disk import finished, start
from tunesmith.errors import Busy, Failure
from tunesmith.runs import folder, lock
from tunesmith.runs.folder import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def attempt(run: Run) -> str:
    """`held`, or what Busy says."""
    try:
        with lock.hold(run):
            return "held"
    except Busy as busy:
        return busy.what


@contextmanager
def owner(run: Run, fork: bool = False) -> Iterator[tuple[int, int]]:
    """(pid of a child that holds the run, pid of its own child or 0), until the context ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with lock.hold(run):
            if not fork:
                os.write(writing, b"0\n")
            elif os.fork() == 0:
                os.write(writing, f"{os.getpid()}\n".encode())
            signal.pause()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        grandchild = int(pipe.readline())
        try:
            yield child, grandchild
        finally:
            for process in filter(None, (child, grandchild)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


@pytest.mark.fault("two owners")
def test_a_second_owner_is_told_who_the_first_is(run: Run) -> None:
    with owner(run) as (child, _), pytest.raises(Busy) as raised, lock.hold(run):
        pass
    assert raised.value.exit_code == 75
    assert f"process {child} on {socket.gethostname()} since 2" in raised.value.what
    assert raised.value.where == str(run.path)


def test_one_process_does_not_hold_a_run_twice(run: Run) -> None:
    with lock.hold(run):
        assert f"process {os.getpid()} " in attempt(run)
    assert attempt(run) == "held"


def test_a_run_is_free_after_an_error(run: Run) -> None:
    with pytest.raises(ValueError, match="x"), lock.hold(run):
        raise ValueError("x")
    assert attempt(run) == "held"


@pytest.mark.fault("two owners")
def test_a_killed_owner_frees_the_run(run: Run) -> None:
    with owner(run) as (child, _):
        assert f"process {child} " in attempt(run)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert attempt(run) == "held"


@pytest.mark.fault("two owners")
def test_a_killed_owner_frees_the_run_though_its_forked_children_live(run: Run) -> None:
    with owner(run, fork=True) as (child, grandchild):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.kill(grandchild, 0)
        assert attempt(run) == "held"


@pytest.mark.fault("two owners")
def test_a_program_that_the_owner_starts_does_not_keep_the_run(run: Run) -> None:
    with lock.hold(run):
        program = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, close_fds=False)
        assert program.stdout is not None
        program.stdout.readline()  # the system closes its copy of the lock a moment after the program has begun
    try:
        assert attempt(run) == "held"
    finally:
        program.communicate(b"\n")


def test_the_name_of_an_earlier_owner_is_never_told(run: Run) -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    with lock.hold(run):
        run.lock_file.write_text(f'{{"pid": {gone}, "host": "{socket.gethostname()}", "since": "2020"}}')
        assert attempt(run) == "the run is in use by another process, which has not said its name"


def race(run: Run, racers: int) -> list[str]:
    """What each of some processes says that try to hold the run at once; the winner holds it until all have tried."""
    waiting, go = os.pipe()
    holding, end = os.pipe()
    hearing, tried = os.pipe()

    def work() -> str:
        os.close(go)
        os.close(end)
        os.read(waiting, 1)  # ends for all at once, when the parent closes its side
        try:
            with lock.hold(run):
                os.write(tried, b"!")
                os.read(holding, 1)
                return f"held {os.getpid()}"
        except Busy as busy:
            os.write(tried, b"!")
            return busy.what

    children = [start(work) for _ in range(racers)]
    os.close(go)
    for _ in children:
        os.read(hearing, 1)
    os.close(end)
    said = [finished(*child)[1] for child in children]
    for descriptor in (waiting, holding, hearing, tried):
        os.close(descriptor)
    return said


@pytest.mark.fault("two owners")
@pytest.mark.parametrize("races", [20, pytest.param(200, marks=pytest.mark.long)])
def test_races_have_one_winner_each_and_the_others_say_who(run: Run, races: int, record_property: Any) -> None:
    record_property("tried", races)
    for _ in range(races):
        said = race(run, 3)
        winners = [text.removeprefix("held ") for text in said if text.startswith("held ")]
        assert len(winners) == 1, said
        assert sum(f"process {winners[0]} on" in text for text in said) == 2, said


@pytest.mark.fault("two owners")
def test_runs_that_begin_at_once_never_share_a_name(tmp_path: Path, record_property: Any) -> None:
    """Of two letters in place of four hexadecimal digits, so that names collide all the time."""

    def work() -> str:
        draw = random.Random(os.getpid())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folder.secrets, "token_hex", lambda count: "".join(draw.choices("0123456789", k=2)))
            return " ".join(folder.create(tmp_path, "same").name for _ in range(10))

    names = [name for child in [start(work) for _ in range(8)] for name in finished(*child)[1].split()]
    record_property("tried", 8)
    assert len(names) == 80
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())


def test_a_file_system_without_locks_is_a_clear_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(Failure, match="cannot lock"), lock.hold(run):
        pass


def test_a_run_in_a_missing_folder_is_a_clear_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="was not written"), lock.hold(Run(tmp_path / "gone")):
        pass


def test_a_run_that_is_free_names_no_owner(run: Run) -> None:
    with lock.hold(run):
        assert str(os.getpid()) in run.lock_file.read_text()
    assert run.lock_file.read_text() == ""
