"""Jobs are neither lost nor done twice, at whatever moment their server is killed; the processes are only played."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from jobs_desk import AT_ONCE, FINISHED, Desk, World
from tunesmith.jobs import files, runner
from tunesmith.jobs.entries import STATUSES, UNFINISHED
from tunesmith.jobs.store import Store
from tunesmith.runs import durable


class Died(BaseException):
    """The server is killed here."""


class Fuse:
    """Kills the server at the n-th of the moments between which something lasting happens."""

    left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Died


FUSE = Fuse()


@contextmanager
def fused() -> Iterator[None]:
    """Every transaction, process, link and file of the jobs is a moment before, and one after it."""
    with pytest.MonkeyPatch.context() as patch:
        plain_writing, plain_start = Store.writing, World.start

        @contextmanager
        def writing(self: Store) -> Iterator[None]:
            outer = not self._begun()
            FUSE.burn()
            with plain_writing(self):
                yield
                FUSE.burn()
            if outer:
                FUSE.burn()

        def around(plain: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                FUSE.burn()
                found = plain(*arguments, **named)
                FUSE.burn()
                return found
            return call

        patch.setattr(Store, "writing", writing)
        patch.setattr(World, "start", around(plain_start))
        patch.setattr(durable, "write_file", around(durable.write_file))
        patch.setattr(files.os, "link", around(files.os.link))
        yield


WRONG = [{"kind": "data.x", "what": "", "where": "", "remedy": ""}]


class Servers(RuleBasedStateMachine):
    """Clients ask and cancel, processes work and die, and servers are killed at any moment of it."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.patched = fused()
        self.patched.__enter__()
        import tempfile
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(self.folder / "jobs")
        self.file = self.desk.send()
        self.promised: set[str] = set()
        self.killed_asking = 0
        self.seen: dict[str, str] = {}

    def unless_killed(self, fuse: int | None, do: Callable[[], Any], survive: bool) -> Any:
        FUSE.left = fuse
        try:
            return do()
        except Died:
            self.restart(survive)
        finally:
            FUSE.left = None

    def restart(self, survive: bool) -> None:
        """Another server on the same folder; the processes of the one before live on, or die with it."""
        self.desk.store.close()
        if not survive:
            for process in list(self.desk.world.alive.values()):
                process.end(-15)
        self.desk = Desk(self.folder / "jobs", self.desk.world)

    @rule(target=jobs, fuse=st.none() | st.integers(0, 12), survive=st.booleans())
    def ask(self, fuse, survive):
        job = self.unless_killed(fuse, lambda: self.desk.ask(self.file), survive)
        if job is None:
            self.killed_asking += 1
            return multiple()
        self.promised.add(job)
        return job

    @rule(which=st.integers(0, 9), end=st.sampled_from(["step", "done", "done", "killed", "refused"]),
          fuse=st.none() | st.integers(0, 12), survive=st.booleans())
    def work(self, which, end, fuse, survive):
        """A process does something, and then the server takes its turn, which may be its last."""
        self.desk.runner.turn()
        alive = list(self.desk.world.alive.values())
        if alive:
            process = alive[which % len(alive)]
            self.does(process, "stop" if process.asked_to_stop else end)
        self.unless_killed(fuse, self.desk.runner.turn, survive)

    def does(self, process, end):
        work = self.desk.work(process.job)
        if end in ("killed", "stop"):
            process.end(-9 if end == "killed" else 75)
        elif process.words[0] == "check":
            self.desk.world.check(process, work, WRONG if end == "refused" else [])
        elif end == "step":
            self.desk.world.step(work)
        else:
            self.desk.world.train(process, work)

    @rule(survive=st.booleans())
    def kill_the_server(self, survive):
        self.restart(survive)

    @rule(job=consumes(jobs))
    def cancel(self, job):
        if self.desk.status(job) in UNFINISHED:
            runner.cancel(self.desk.store, job)

    @invariant()
    def no_job_is_lost_or_comes_from_nowhere(self):
        found = {job.id: job.status for job in self.desk.store.jobs(after=None, limit=1000)}
        assert self.promised <= set(found)
        assert len(found) <= len(self.promised) + self.killed_asking
        for job, status in found.items():
            before = self.seen.get(job, status)
            assert status == before if before in FINISHED else STATUSES.index(status) >= STATUSES.index(before)
        self.seen = found

    @invariant()
    def nothing_is_trained_twice_or_beyond_what_is_allowed(self):
        assert all(times == 1 for times in self.desk.world.ran.values())
        training = [job for job, process in self.desk.world.alive.items() if process.words[0] == "train"]
        assert sum(self.desk.status(job) == "running" for job in training) <= AT_ONCE

    def teardown(self) -> None:
        """Left alone, every job comes to an end."""
        try:
            self.restart(survive=True)
            for _ in range(1000):
                self.desk.runner.turn()
                for job, process in list(self.desk.world.alive.items()):
                    work = self.desk.work(job)
                    if process.asked_to_stop:
                        process.end(75)
                    elif process.words[0] == "check":
                        self.desk.world.check(process, work)
                    else:
                        self.desk.world.train(process, work)
                if not self.desk.store.with_status(*UNFINISHED) and not self.desk.world.alive:
                    break
            for job in self.desk.store.jobs(after=None, limit=1000):
                assert job.status in FINISHED
                if job.status == "succeeded":
                    assert self.desk.world.ran[job.id] == 1 and job.name in self.desk.announced
                    assert files.opened(self.desk.store, self.desk.store.file(job.outcome.result_file)).read()
            assert len(self.desk.announced) == len(set(self.desk.announced))
            assert not list(self.desk.place.incoming.iterdir())
        finally:
            self.desk.store.close()
            self.patched.__exit__(None, None, None)
            shutil.rmtree(self.folder)


def tried(examples: int) -> type:
    """The machine as a test of so many stories."""
    class Machine(Servers):
        """The same, for settings of its own."""

    Machine.TestCase.settings = settings(
        max_examples=examples, stateful_step_count=25,
        phases=[Phase.generate])  # stories are short, and making one shorter takes minutes
    return Machine.TestCase


TestServersThatAreKilledAtAnyMoment = tried(8)
TestServersThatAreKilledAtManyMoments = pytest.mark.timeout(1800)(pytest.mark.long(tried(60)))
