"""`/v1/fine_tuning/jobs`, asked by OpenAI's own client: a whole job, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest

from fine_tuned import asked, rows
from pages import blocks
from served import allowed, serving
from tiny import tiny_base
from tunesmith import cli
from tunesmith.jobs import asking, recipes, service
from tunesmith.jobs.service import Jobs
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from tunesmith.serving.watching import announcing, watched

pytestmark = allowed
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "jobs.md"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def desk(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[openai.OpenAI, Jobs]]:
    with asked(tmp_path_factory.mktemp("desk") / "jobs", [str(base)]) as found:
        yield found


@pytest.fixture(scope="module")
def client(desk: tuple[openai.OpenAI, Jobs]) -> openai.OpenAI:
    return desk[0]


@pytest.fixture(scope="module")
def file(client: openai.OpenAI) -> str:
    return client.files.create(file=("train.jsonl", rows()), purpose="fine-tune").id


@pytest.mark.timeout(600)
def test_a_whole_job_from_a_file_to_a_chat_with_its_model_as_the_documentation_says(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, ask = (block.text for block in blocks(PAGE) if block.language == "python")
    names: dict[str, Any] = {}
    exec(make, names)
    plain = recipes.values
    monkeypatch.setattr(recipes, "values", lambda *given: {**plain(*given), "monitoring": {"keep": "features"}})
    models = Registry(Settings())
    with service.opened(tmp_path / "jobs", [str(base)]) as jobs, serving(models, jobs=jobs) as server, \
            watched({}) as logs, service.running(jobs, announcing(server.app, models, logs)):
        exec(ask.replace("http://127.0.0.1:8000", server.url).replace("smollm2-135m-instruct", base.name), names)
        client, done, answer = names["client"], names["job"], names["answer"]
        assert done.status == "succeeded", done.error
        assert done.fine_tuned_model == f"ft:tiny:hats:{done.id[-8:]}" and done.finished_at and done.trained_tokens

        told = [event for event in client.fine_tuning.jobs.list_events(done.id, limit=3)][::-1]
        assert next(event.message.split(" `")[0] for event in told) == "created the job"
        assert told[-1].message == f"finished `{done.fine_tuned_model}`; the verdict on held-out rows: not proven"
        steps = [event.data["step"] for event in told if event.type == "metrics" and "train_loss" in event.data]
        results = client.files.content(done.result_files[0]).read().decode().splitlines()
        assert steps == list(range(1, len(results))) and results[0] == "step,train_loss,valid_loss"
        assert any("full_valid_loss" in event.data for event in told)
        saved = list(client.fine_tuning.jobs.checkpoints.list(done.id, limit=1))
        assert saved[0].step_number == len(steps) and saved[0].metrics.full_valid_loss is not None
        assert [each.step_number for each in saved] == sorted((each.step_number for each in saved), reverse=True)

        assert done.fine_tuned_model in [model.id for model in client.models.list()]
        assert answer.model == done.fine_tuned_model and answer.usage.completion_tokens > 0

        with pytest.raises(openai.BadRequestError, match="succeeded already"):
            client.fine_tuning.jobs.cancel(done.id)
        kept = jobs.store.place.work(done.id).run().seen_file
    with closing(sqlite3.connect(kept)) as log:
        assert answer.id in [row[0] for row in log.execute("SELECT id FROM answers")]
    again = Registry(Settings())
    with service.opened(tmp_path / "jobs", [str(base)]) as jobs, service.running(jobs, again.add):
        assert list(again) == [done.fine_tuned_model]
    again.close()


def refused(client: openai.OpenAI, **said: Any) -> str:
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(**{"model": "tiny", "training_file": "file-0", **said})
    return f"{caught.value.param}: {caught.value.message}"


def test_what_cannot_be_done_is_refused_by_its_name(client, file):
    good = {"training_file": file}
    assert refused(client).startswith("training_file: ")
    assert refused(client, **good, validation_file="file-1").startswith("validation_file: ")
    assert "`tiny`" in refused(client, **good, model="gpt-4o-mini")
    assert refused(client, **good, method={"type": "dpo"}).startswith("method.type: ")
    assert refused(client, **good, integrations=[{"type": "wandb"}]).startswith("integrations: ")
    assert "`colour` is no field" in refused(client, **good, extra_body={"colour": "red"})
    assert "method.supervised.colour" in refused(client, **good, method={
        "type": "supervised", "supervised": {"colour": 1}})
    assert refused(client, **good, suffix="../x").startswith("suffix: ")
    assert refused(client, **good, suffix="x" * 65).startswith("suffix: ")
    assert refused(client, **good, seed=-1).startswith("seed: ")
    for name, value in [("n_epochs", 0), ("n_epochs", 51), ("n_epochs", "many"), ("batch_size", 0),
                        ("batch_size", 257), ("learning_rate_multiplier", 0), ("learning_rate_multiplier", 1e9)]:
        assert f"hyperparameters.{name}" in refused(client, **good, hyperparameters={name: value})
    assert "said twice" in refused(client, **good, hyperparameters={"n_epochs": 1}, method={
        "type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}})
    assert refused(client, **good, metadata={str(n): "" for n in range(17)}).startswith("metadata")
    assert not client.fine_tuning.jobs.list().data


@pytest.mark.parametrize("id", ["../../x", "ftjob-" + "0" * 24, "%00", "x" * 3000, "jobs.sqlite"])
def test_a_job_that_there_is_not_is_not_found(client, id):
    jobs = client.fine_tuning.jobs
    for ask in (jobs.retrieve, jobs.cancel, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises((openai.NotFoundError, openai.BadRequestError)):
            ask(id)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"NaN", b'{"model": "\\ud800", "training_file": "\\udfff"}', b'{"model": 1}',
    b'{"model": "tiny", "training_file": "x", "metadata": {"\\ud800": "\\udfff"}}', b"[" * 100_000,
    b'{"model": "tiny", "training_file": "x", "seed": 1e999}', b'{"model": "tiny", "training_file": "\\u0000"}',
    b'{"model": "tiny", "training_file": "x", "seed": 99999999999999999999999999}', b"\xff\xfe{}"])
def test_a_body_that_means_harm_is_the_clients_mistake(client, body):
    with pytest.raises(openai.BadRequestError):
        client.post("/fine_tuning/jobs", content=body, cast_to=object,
                    options={"headers": {"Content-Type": "application/json"}})


def test_jobs_are_listed_page_by_page_and_by_their_metadata(desk, file):
    client, jobs = desk
    made = [client.fine_tuning.jobs.create(model="tiny", training_file=file, metadata={"who": "Zoë", "n": str(n)}).id
            for n in range(4)]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=3)] == made[::-1]
    assert client.fine_tuning.jobs.list(limit=3).has_more
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"who": "Zoë", "n": "2"})] == [made[2]]
    assert not client.fine_tuning.jobs.list(metadata={"who": "' OR 1=1 --"}).data
    with pytest.raises(openai.BadRequestError, match="ftjob-x"):
        client.fine_tuning.jobs.list(after="ftjob-x")
    with pytest.raises(openai.BadRequestError, match="status"):
        client.fine_tuning.jobs.list(extra_query={"status": "running"})
    job = client.fine_tuning.jobs.cancel(made[0])
    assert job.status == "cancelled" and job.finished_at
    assert client.fine_tuning.jobs.retrieve(made[0]) == job
    assert next(event.message for event in client.fine_tuning.jobs.list_events(made[0], limit=1)) == "cancelled"
    assert not client.fine_tuning.jobs.checkpoints.list(made[0]).data
    assert len(jobs.store.jobs(after=None, limit=9)) == 4


def test_two_bases_of_one_name_and_a_base_that_is_missing_are_refused(base, tmp_path):
    other = tiny_base(tmp_path / "tiny")
    with pytest.raises(asking.Misuse, match="another base has that name"):
        asking.offered([str(base), str(other)])
    with pytest.raises(asking.Misuse, match="no base"):
        asking.offered(["nowhere"])


@pytest.mark.parametrize(("words", "kind"), [
    ([], "serve.nothing"), (["--engine", "vllm"], "serve.nothing"),
    (["--jobs", "jobs"], "serve.jobs"), (["run", "--base", "tiny"], "serve.jobs"),
    (["--jobs", "jobs", "--base", "tiny", "--jobs-at-once", "0"], "serve.jobs_at_once"),
    (["--jobs", "jobs", "--base", "nowhere", "--port", "0"], "base.unknown"),
])
def test_half_of_what_jobs_need_is_refused_before_anything_is_loaded(words, kind, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["serve", *words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["errors"][0]["kind"] == kind
