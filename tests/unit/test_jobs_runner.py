"""Jobs taken from their files to their models, over processes that are only played."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fine_tuned import rows
from jobs_desk import AT_ONCE, Desk, Played
from tunesmith.errors import Busy, Failure, Misuse, Problems, Refusal
from tunesmith.jobs import asking, files, runner
from tunesmith.jobs.place import Place, Work
from tunesmith.jobs.runner import AGAIN
from tunesmith.jobs.store import Store
from tunesmith.recipe import read


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
