"""Jobs taken from their files to their models, over processes that are only played."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from fine_tuned import Played, World, rows
from tunesmith.errors import Busy, Failure, Misuse, Problems, Refusal
from tunesmith.jobs import asking, files, runner
from tunesmith.jobs.asking import Asked, Offered
from tunesmith.jobs.entries import STATUSES, UNFINISHED
from tunesmith.jobs.place import Place, Work
from tunesmith.jobs.runner import AGAIN, Runner
from tunesmith.jobs.store import Store
from tunesmith.recipe import read
from tunesmith.runs import durable

BASES = {"base": Offered("base", "/models/base", 512)}
AT_ONCE = 2
FINISHED = ("succeeded", "failed", "cancelled")


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


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "jobs")
    yield desk
    desk.store.close()


def test_a_job_goes_from_its_files_to_its_model(desk):
    job = desk.ask(suffix="hats")
    assert desk.status(job) == "validating_files"
    assert list(desk.process(job).words) == ["check", str(desk.work(job).recipe), "--json"]
    desk.world.check(desk.world.alive[job], desk.work(job))
    assert list(desk.process(job).words) == ["train", str(desk.work(job).recipe), "--json"]
    assert desk.status(job) == "running"
    desk.world.step(desk.work(job))
    desk.runner.turn()
    assert desk.said(job)[-1] == "step 1: training loss=1.0000"
    desk.world.train(desk.world.alive[job], desk.work(job))
    desk.runner.turn()
    found = desk.store.job(job)
    assert (found.status, found.outcome.trained_tokens) == ("succeeded", 14)
    assert found.name == f"ft:base:hats:{job[-8:]}" and desk.announced == [found.name]
    assert len([line for line in desk.said(job) if line.startswith("step ")]) == 2
    results = desk.store.file(found.outcome.result_file)
    assert results.purpose == "fine-tune-results"
    assert files.opened(desk.store, results).read() == b"step,train_loss,valid_loss\n1,1.0,\n2,0.5,\n"


def test_the_recipe_is_what_was_asked_for(desk):
    job = desk.ask(validation_file=desk.send(rows(5)), epochs=2, batch_size=4, learning_rate_multiplier=0.5, seed=7)
    recipe = read.read(desk.work(job).recipe)
    training = recipe.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.seed) == (2, 4, 1e-4, 7)
    assert (recipe.base.name, training.max_length, recipe.task.type) == ("/models/base", 512, "chat")
    assert recipe.data.train == (str(desk.work(job).rows("training_file")),)
    assert recipe.data.validation == (str(desk.work(job).rows("validation_file")),)
    assert recipe.evaluation.every == 1 and recipe.run.folder == str(desk.work(job).runs)


def test_mistakes_in_the_rows_are_told_in_the_clients_own_file_name(desk):
    job = desk.ask()
    place = desk.work(job).rows("training_file")
    desk.world.check(desk.process(job), desk.work(job), [
        {"kind": "data.no_answer", "what": "there is no answer", "where": f"{place}:12", "remedy": "add one"},
        {"kind": "data.json", "what": "broken JSON", "where": f"{place}:3", "remedy": "use `data.columns`"}])
    desk.runner.turn()
    assert desk.status(job) == "failed"
    assert desk.store.job(job).outcome.error == {
        "code": "data.json", "param": "training_file",
        "message": "mine.jsonl:3: broken JSON\nmine.jsonl:12: there is no answer; add one"}
    assert str(desk.place.path) not in json.dumps(desk.said(job))


def test_no_more_jobs_are_trained_at_once_than_was_said_and_the_first_comes_first(desk):
    jobs = [desk.queued() for _ in range(4)]
    desk.runner.turn()
    assert [desk.status(job) for job in jobs] == ["running", "running", "queued", "queued"]
    desk.world.train(desk.world.alive[jobs[1]], desk.work(jobs[1]))
    desk.runner.turn()
    assert [desk.status(job) for job in jobs] == ["running", "succeeded", "running", "queued"]


def test_a_cancelled_job_is_stopped_and_keeps_what_it_has_saved(desk):
    job = desk.running()
    desk.world.step(desk.work(job))
    assert runner.cancel(desk.store, job).status == "cancelled"
    process = desk.process(job)
    assert process.asked_to_stop
    process.end(75)
    desk.runner.turn()
    assert desk.status(job) == "cancelled" and desk.work(job).run() is not None
    with pytest.raises(Misuse, match="cancelled already"):
        runner.cancel(desk.store, job)


def test_a_job_that_is_cancelled_before_it_began_never_begins(desk):
    [first, second], waiting = [desk.running() for _ in range(AT_ONCE)], desk.queued()
    runner.cancel(desk.store, waiting)
    for job in (first, second):
        desk.world.train(desk.world.alive[job], desk.work(job))
    desk.runner.turn()
    assert desk.status(waiting) == "cancelled" and not desk.world.alive and waiting not in desk.world.ran


def test_a_place_is_free_only_once_a_cancelled_job_has_saved(desk):
    jobs = [desk.queued() for _ in range(3)]
    desk.runner.turn()
    runner.cancel(desk.store, jobs[0])
    desk.runner.turn()
    desk.runner.turn()
    assert desk.status(jobs[2]) == "queued"
    desk.world.alive[jobs[0]].end(75)
    desk.runner.turn()
    assert desk.status(jobs[2]) == "running"


def test_a_process_that_was_killed_goes_on_with_its_run(desk):
    job = desk.running()
    run = desk.world.step(desk.work(job))
    desk.world.alive[job].end(-9)
    assert list(desk.process(job).words) == ["train", "--resume", str(run), "--json"]
    assert "its process ended by signal 9" in desk.said(job)[-1]


def test_a_job_whose_process_always_ends_is_given_up_unless_it_gets_further(desk):
    job = desk.running()
    for _ in range(AGAIN * 2):
        desk.world.step(desk.work(job))
        desk.process(job).end(-9)
        desk.runner.turn()
    assert desk.status(job) == "running"
    for _ in range(AGAIN - 1):
        desk.process(job).end(-9)
    desk.runner.turn()
    error = desk.store.job(job).outcome.error
    assert desk.status(job) == "failed" and error["code"] == "jobs.ended" and "memory" in error["message"]


def test_what_a_training_refuses_is_the_jobs_error(desk):
    job = desk.running()
    desk.work(job).answer.write_text(json.dumps({"errors": [{
        "kind": "runs.no_space", "what": "no space for `step-00000002`: 5 bytes are missing",
        "where": str(desk.work(job).runs / "x"), "remedy": "free some space, then go on with `--resume`"}]}))
    desk.world.alive[job].end(1)
    desk.runner.turn()
    assert desk.store.job(job).outcome.error == {
        "code": "runs.no_space", "message": "no space for `step-00000002`: 5 bytes are missing", "param": None}


def test_a_job_whose_folder_is_gone_is_told(desk):
    job = desk.queued()
    shutil.rmtree(desk.work(job).path)
    desk.runner.turn()
    assert desk.status(job) == "failed" and desk.store.job(job).outcome.error["code"] == "jobs.lost"


def test_a_model_that_cannot_be_served_is_told_and_is_finished_all_the_same(desk):
    def refuse(name: str, path: Path) -> None:
        raise Refusal("run.broken", "the weights are gone", str(path), "")

    desk.runner.announce = refuse
    job = desk.running()
    desk.world.train(desk.world.alive[job], desk.work(job))
    desk.runner.turn()
    assert desk.status(job) == "succeeded" and "the weights are gone" in desk.said(job)[-2]
    assert str(desk.place.path) not in json.dumps(desk.said(job))


def test_what_fails_for_one_job_keeps_no_other_one_from_its_turn(desk):
    first, start = desk.queued(), desk.runner.start

    def refuse(work: Work, words: Sequence[str]) -> Played | None:
        if work.path.name == first:
            raise Failure("runs.read_only", "the folder may not be written", str(work.path), "")
        return start(work, words)

    desk.runner.start = refuse
    second = desk.ask()
    for _ in range(2):
        with pytest.raises(Failure):
            desk.runner.turn()
    assert desk.status(first) == "running" and list(desk.world.alive) == [second]
    desk.runner.start = start
    assert desk.process(first).words[0] == "train"


def test_records_that_were_damaged_stop_nothing(desk):
    job = desk.running()
    run = desk.world.step(desk.work(job))
    with (run / "records.jsonl").open("ab") as file:
        file.write(b"\x00\xff\n")
    other = desk.queued()
    desk.runner.turn()
    assert desk.status(other) == "running"


def test_rows_that_were_deleted_meanwhile_are_trained_on_all_the_same(desk):
    file = desk.send()
    job = desk.ask(file)
    files.remove(desk.store, file)
    assert not list(desk.place.files.iterdir())
    assert desk.work(job).rows("training_file").read_bytes() == rows()


def test_what_may_not_be_asked_for_is_refused_at_once_and_leaves_nothing(desk, tmp_path):
    file = desk.send()
    for model in ["../base", "/models/base", str(tmp_path), "ft:base::00000000", "", "owner/model"]:
        with pytest.raises(Misuse, match="may not be tuned"):
            desk.ask(file, model=model)
    with pytest.raises(Misuse, match="no file"):
        desk.ask("file-0")
    with pytest.raises(Problems):
        desk.ask("../x", validation_file="/etc/passwd")
    assert not list(desk.place.works.iterdir()) and not desk.store.jobs(after=None, limit=9)


def test_a_file_that_the_disk_has_changed_is_refused(desk):
    file = desk.send()
    path = next(desk.place.files.iterdir())
    path.write_bytes(path.read_bytes().replace(b"hats", b"cats"))
    with pytest.raises(Refusal, match="no longer what was sent"):
        desk.ask(file)
    assert not list(desk.place.works.iterdir())


def test_too_many_waiting_jobs_are_refused(desk, monkeypatch):
    monkeypatch.setattr(asking, "WAITING", 2)
    file = desk.send()
    desk.ask(file), desk.ask(file)
    with pytest.raises(Busy, match="2 jobs are waiting"):
        desk.ask(file)


def test_a_finished_model_can_be_tuned_again(desk):
    job = desk.running()
    desk.world.train(desk.world.alive[job], desk.work(job))
    desk.runner.turn()
    again = desk.ask(model=desk.store.job(job).name, suffix="more")
    assert read.read(desk.work(again).recipe).base.name == str(desk.work(job).run().path)
    assert desk.store.job(again).name == f"ft:base:more:{again[-8:]}"


def test_a_database_of_another_program_or_version_is_refused(tmp_path):
    place = Place(tmp_path)
    store = Store(place)
    store._base.execute("PRAGMA user_version = 9")
    store.close()
    with pytest.raises(Refusal, match="version 9"):
        Store(place)
    for path in tmp_path.iterdir():
        path.unlink()
    place.database.write_bytes(b"no database, only text" * 1000)
    with pytest.raises(Refusal, match="damaged"):
        Store(place)


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
