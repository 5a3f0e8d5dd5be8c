"""Jobs from their files to their models: each turn looks at what runs, and begins what may begin.

A job's status is all that decides: whoever is killed between two lines of this file finds, at the next turn or after
the next start, a job that is validated again, or a run that goes on from its last checkpoint. No process of a job is
started while another one of it lives (`processes.py`).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DONE, Failure, Misuse, Problem, Problems, Refusal
from ..runs import folder
from ..runs.folder import Run
from . import files, processes, progress, words
from .entries import UNFINISHED, Event, Job, Outcome
from .place import Work
from .processes import Child, Start
from .store import Store

TURN_SECONDS = 0.2
AGAIN = 3  # times that a process may end by itself without a step more than before
FAILED = (1, 2, 3)  # exit codes of `errors.py` that trying again does not change
SIDES = {"train": "trained on", "validation": "measured on the way", "test": "held out for the verdict"}
PASSING = (Problem, Problems, OSError, sqlite3.Error)
log = logging.getLogger(__name__)

Announce = Callable[[str, Path], object]
Mistakes = Sequence[dict[str, str]]


@dataclass(slots=True)
class Held:
    """A process of a job. read: bytes of its run's records that were told already."""

    child: Child
    training: bool
    read: int = 0
    stopped: bool = False


@dataclass
class Runner:
    """Takes the jobs of a store further. announce: is told the name and the run of each finished model."""

    store: Store
    announce: Announce
    at_once: int = 1
    start: Start = processes.start
    _held: dict[str, Held] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _waited: set[str] = field(default_factory=set)
    _announced: set[str] = field(default_factory=set)

    def announce_finished(self) -> None:
        """Tell of the models that were finished before."""
        for job in self.store.with_status("succeeded"):
            run = self.store.place.work(job.id).run()
            if run is not None:
                self._announce(job, run)

    def run(self) -> None:
        """Turn until `end`."""
        while not self._closing.wait(TURN_SECONDS):
            try:
                self.turn()
            except PASSING as error:
                # a full disk now need not be one in a minute: what was not committed is done again
                log.warning("jobs wait: %s", error)
                self._closing.wait(TURN_SECONDS * 25)

    def end(self) -> None:
        """Let `run` return after its turn."""
        self._closing.set()

    def close(self, seconds: float) -> None:
        """Let each process save, and wait for them so long; the jobs go on at the next start."""
        for held in self._held.values():
            held.child.stop()
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(held.child.poll() is None for held in self._held.values()):
            time.sleep(TURN_SECONDS / 4)

    def turn(self) -> None:
        """Look at every process, then begin what may begin.

        What fails for one job keeps no other one from its turn; the first failure is raised at the end.
        """
        failed: list[Exception] = []
        for id, held in list(self._held.items()):
            with _apart(failed):
                self._look(self.store.job(id), held)
        waiting = [job for job in self.store.with_status("validating_files") if job.id not in self._held]
        if waiting and not any(not held.training for held in self._held.values()):
            with _apart(failed):
                self._check(waiting[0])
        busy = self.store.with_status("running")
        for job in busy:
            if job.id not in self._held:
                with _apart(failed):
                    self._train(job)
        ending = sum(held.training and held.stopped for held in self._held.values())  # cancelled, and still saving
        for job in self.store.with_status("queued")[:max(0, self.at_once - len(busy) - ending)]:
            with _apart(failed):
                if self.store.move(job.id, ["queued"], "running", Event("the training begins")):
                    self._train(job)
        if failed:
            raise failed[0]

    def _look(self, job: Job, held: Held) -> None:
        """What a process has done since, and what follows from its end."""
        work = self.store.place.work(job.id)
        code = held.child.poll()
        if held.training:
            held.read = self._mirror(job, work.run(), held.read)
        if job.status not in UNFINISHED and not held.stopped and code is None:
            held.stopped = True
            held.child.stop()
        if code is None:
            return
        if job.status in UNFINISHED:
            (self._trained if held.training else self._checked)(job, work, code)
        del self._held[job.id]  # last: where the disk refused what follows from its end, it is tried again

    def _mirror(self, job: Job, run: Run | None, read: int) -> int:
        """Tell what the run's records say beyond so many bytes; how many they are now."""
        if run is None:
            return read
        try:
            told, end = progress.events(run, read)
        except Refusal:
            return read  # damaged records: who resumes the run is told, and it becomes the job's error
        if told:
            self.store.tell(job.id, told)
        return end

    def _check(self, job: Job) -> None:
        work = self.store.place.work(job.id)
        self._begin(job, work, ["check", str(work.recipe), "--json"], training=False)

    def _train(self, job: Job) -> None:
        work = self.store.place.work(job.id)
        run = work.run()
        if run is not None and folder.status(run).finished:
            self._mirror(job, run, 0)  # of a process that ended before anybody looked
            self._succeed(job, run)
            return
        self._begin(job, work, ["train", *(["--resume", str(run.path)] if run else [str(work.recipe)]), "--json"],
                    training=True)

    def _begin(self, job: Job, work: Work, command: Sequence[str], *, training: bool) -> None:
        if not work.recipe.is_file():
            self._fail(job, [Failure("jobs.lost", "the job's folder is gone from the disk", "", "ask for it anew")])
            return
        child = self.start(work, command)
        if child is not None:
            self._held[job.id] = Held(child, training)
            self._waited.discard(job.id)
        elif job.id not in self._waited:
            self._waited.add(job.id)
            self.store.tell(job.id, [Event("a process of an earlier server is ending; the job goes on after it",
                                           "warn")])

    def _checked(self, job: Job, work: Work, code: int) -> None:
        said = words.answer(work)
        if found := words.mistakes(said):
            self._end(job, words.error(found, job, work))
        elif code == DONE and "ok" in said:
            self.store.tell(job.id, [Event(words.sentence(each, job, work), "warn", mark=f"check {number}")
                                     for number, each in enumerate(words.warnings(said)[:words.SHOWN])])
            rows = ", ".join(f"{number:,} {SIDES[side]}" for side, number in said["rows"].items() if number)
            self.store.move(job.id, ["validating_files"], "queued", Event(f"the files are valid; rows: {rows}",
                                                                          data={"rows": said["rows"]}))
        else:
            self._ended(job, work, code)

    def _trained(self, job: Job, work: Work, code: int) -> None:
        run = work.run()
        if run is not None and folder.status(run).finished:
            self._succeed(job, run)
        elif code in FAILED and (found := words.mistakes(words.answer(work))):
            self._end(job, words.error(found, job, work))
        else:
            self._ended(job, work, code)

    def _ended(self, job: Job, work: Work, code: int) -> None:
        """A process that ended without being done: it is tried again, as often as that brings it further."""
        run = work.run()
        times = self.store.count_end(job.id, folder.status(run).steps if run else 0)
        by = f"signal {-code}" if code < 0 else f"exit code {code}"
        if times < AGAIN:
            self.store.tell(job.id, [Event(f"its process ended by {by}; the job goes on from what is saved", "warn")])
            return
        self._fail(job, [Failure("jobs.ended", f"its process ended {times} times without getting further, last by {by}"
                                 f"{': memory may be short' if code == -9 else ''}", "",
                                 "ask whoever runs the server for the job's log")])

    def _succeed(self, job: Job, run: Run) -> None:
        try:
            with files.receiving(self.store.place, 1 << 40) as results:
                results.write(progress.table(run))
                file = files.keep(self.store, results, "step_metrics.csv", files.RESULTS, id=progress.result_id(job))
            outcome = Outcome(trained_tokens=progress.tokens(run), result_file=file.id)
            said = progress.verdict(run)
        except (Problem, KeyError) as error:
            if isinstance(error, Failure):
                raise
            self._fail(job, [Failure("jobs.run_damaged", f"the run's own files cannot be read: {error}", "",
                                     "ask for the job anew")])
            return
        self._announce(job, run)  # first: whoever reads that it succeeded may ask it at once
        self.store.move(job.id, ["running"], "succeeded", Event(f"finished `{job.name}`; {said}"), outcome)

    def _announce(self, job: Job, run: Run) -> None:
        if job.id in self._announced:
            return
        self._announced.add(job.id)
        try:
            self.announce(job.name, run.path)
        except (Problem, Problems, OSError, RuntimeError, ValueError) as error:
            # whatever the model is good for, the job is done: its run stands
            log.warning("`%s` is not served: %s", job.name, error)
            said = error.problems[0] if isinstance(error, Problems) else error
            why = said.what if isinstance(said, Problem) else type(said).__name__
            self.store.tell(job.id, [Event(f"the model is not served: {why}", "warn")])

    def _fail(self, job: Job, found: Sequence[Problem]) -> None:
        self._end(job, words.error([each.as_json() for each in found], job, self.store.place.work(job.id)))

    def _end(self, job: Job, error: dict[str, str | None]) -> None:
        self.store.move(job.id, UNFINISHED, "failed", Event(f"failed: {error['message']}", "error"),
                        Outcome(error=error))


@contextmanager
def _apart(failed: list[Exception]) -> Iterator[None]:
    """Remember what failed, and go on."""
    try:
        yield
    except PASSING as error:
        failed.append(error)


def cancel(store: Store, id: str) -> Job:
    """Cancel a job: what it has saved stays. Raises Misuse for one that is finished, KeyError where there is none."""
    with suppress(KeyError):
        if store.move(id, UNFINISHED, "cancelled", Event("cancelled")):
            return store.job(id)
    job = store.job(id)
    raise Misuse("jobs.finished", f"the job is {job.status} already", "", "only a job that is not finished can be "
                 "cancelled")
