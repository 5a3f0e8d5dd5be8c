"""Many at once: nobody waits without end, nobody hears another's answer, and whoever hangs up holds no row."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest

from runs_of import run_on
from served import allowed, serving, until
from tiny import tiny_base
from tunesmith.generation.continuous import Continuous
from tunesmith.inference import predictor
from tunesmith.recipe.read import read
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from wire import connected, request

pytestmark = allowed


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("queued")
    return run_on(tiny_base(folder / "base"), folder)


@pytest.fixture(scope="module")
def opened(run):
    return predictor.open(str(run))


@contextmanager
def served(run, opened, **settings):
    models = Registry(Settings(**settings))
    models.put("hats", opened, read(run / "recipe.yaml"))
    with serving(models) as server:
        yield server


def client_of(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def asked(number: int, **more) -> dict:
    question = {"role": "user", "content": f"How many hats has Anna after {number}?"}
    return {"model": "hats", "messages": [question], "max_tokens": 24, **more}


class Gate:
    """Lets so many steps of every batch through, then holds them until it is opened; counts the tokens told."""

    def __init__(self, monkeypatch, steps: int = 0) -> None:
        self.left = steps
        self.told = 0
        self.open = threading.Event()
        real = Continuous.step

        def step(batch):
            self.left -= 1
            if self.left < 0:
                assert self.open.wait(60)
            told = real(batch)
            self.told += len(told)
            return told

        monkeypatch.setattr(Continuous, "step", step)


def test_answers_in_a_full_batch_are_those_given_alone(run, opened):
    with served(run, opened, rows=8) as server:
        client = client_of(server)
        alone = [client.chat.completions.create(**asked(n)).choices[0].message.content for n in range(24)]
        with ThreadPoolExecutor(24) as several:
            together = list(several.map(
                lambda n: client.chat.completions.create(**asked(n)).choices[0].message.content, range(24)))
        assert together == alone
        assert len(set(alone)) > 1


def test_streams_that_are_cut_anywhere_leave_no_row(run, opened, monkeypatch):
    draw, gate = random.Random(3), Gate(monkeypatch, steps=1_000_000)
    with served(run, opened, rows=4, queue=64) as server:
        client, answering = client_of(server), server.models["hats"].answering

        def cut(pieces: int) -> None:
            with client.chat.completions.create(**asked(pieces, max_tokens=200, stream=True)) as stream:
                for _, _piece in zip(range(pieces), stream, strict=False):
                    pass

        with ThreadPoolExecutor(16) as several:
            list(several.map(cut, [draw.randrange(12) for _ in range(200)]))
        until(lambda: (answering.held, answering.running) == (0, 0))
        assert gate.told < 200 * 100  # each would have written 200 tokens
        assert client.chat.completions.create(**asked(1)).choices[0].finish_reason


def test_a_client_that_hangs_up_before_its_answer_leaves_no_row(run, opened, monkeypatch):
    gate = Gate(monkeypatch, steps=2)
    with served(run, opened, rows=2, queue=4) as server:
        answering = server.models["hats"].answering
        body = json.dumps(asked(1)).encode()
        with connected(server.port) as gone:
            gone.sendall(request("POST", "/v1/chat/completions", body, content_type="application/json"))
            until(lambda: answering.running == 1)
        until(lambda: answering.held == 0)
        gate.open.set()
        until(lambda: answering.running == 0)
    assert gate.told <= 3  # the step that was held may end; no other follows it


def test_over_the_queue_a_request_is_told_to_come_again_and_those_in_it_are_answered(run, opened, monkeypatch):
    gate = Gate(monkeypatch)
    with served(run, opened, rows=1, queue=1) as server, ThreadPoolExecutor(2) as several:
        client, answering = client_of(server), server.models["hats"].answering
        waiting = [several.submit(client.chat.completions.create, **asked(n)) for n in range(2)]
        until(lambda: answering.held == 2)
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(**asked(3))
        assert raised.value.response.headers["retry-after"] == "1"
        assert raised.value.code == "queue_full"
        with pytest.raises(openai.BadRequestError, match="3 answers are asked for at once"):
            client.chat.completions.create(**asked(3, n=3))
        assert client.models.list().data  # what does not write text is answered all the while
        gate.open.set()
        assert all(each.result().choices[0].message.content for each in waiting)


def test_of_many_at_once_each_is_answered_with_its_own_or_told_to_come_again(run, opened):
    with served(run, opened, rows=4, queue=8) as server:
        client = client_of(server)

        def ask(number: int) -> str:
            try:
                return client.chat.completions.create(**asked(number, max_tokens=8)).choices[0].message.content
            except openai.RateLimitError as error:
                assert error.response.headers["retry-after"]
                return "later"

        with ThreadPoolExecutor(40) as several:
            said = list(several.map(ask, range(120)))
        answered = {n: text for n, text in enumerate(said) if text != "later"}
        assert answered
        assert all(ask(n) == text for n, text in list(answered.items())[:20])
        assert server.models["hats"].answering.held == 0


def test_an_answer_that_takes_too_long_is_given_up(run, opened, monkeypatch):
    gate = Gate(monkeypatch, steps=3)
    with served(run, opened, timeout=0.3) as server:
        client, answering = client_of(server), server.models["hats"].answering
        heard = []
        with pytest.raises(openai.APIError, match="not finished in the time"):
            for piece in client.chat.completions.create(**asked(1, stream=True)):
                heard.append(piece.choices[0].delta.content)
        assert len(heard) > 1  # what was written until then had been told
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(**asked(1))
        assert raised.value.status_code == 503
        assert raised.value.response.headers["retry-after"]
        gate.open.set()
        until(lambda: (answering.held, answering.running) == (0, 0))


def test_a_server_about_to_stop_begins_nothing_new(run, opened):
    with served(run, opened) as server:
        client = client_of(server)
        server.app.state.service.draining = True
        for ask in (lambda: client.chat.completions.create(**asked(1)), lambda: client.get("/../ready", cast_to=str)):
            with pytest.raises(openai.InternalServerError) as raised:
                ask()
            assert (raised.value.status_code, raised.value.response.headers["retry-after"]) == (503, "1")
        assert client.get("/../health", cast_to=object) == {"status": "ok"}


@pytest.mark.parametrize(("fault", "status"), [(ValueError("secret"), 500), (MemoryError(), 503)])
def test_a_fault_in_a_step_is_told_to_those_who_wait_and_the_next_are_answered(run, opened, monkeypatch, fault, status):
    real, faults = Continuous.step, [fault]

    def step(batch):
        if faults:
            raise faults.pop()
        return real(batch)

    monkeypatch.setattr(Continuous, "step", step)
    with served(run, opened) as server:
        client = client_of(server)
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(**asked(1))
        assert raised.value.status_code == status
        assert "secret" not in str(raised.value)
        assert client.chat.completions.create(**asked(1)).choices[0].message.content


def test_what_was_done_is_counted(run, opened):
    with served(run, opened) as server:
        client = client_of(server)
        answer = client.chat.completions.create(**asked(1))
        with pytest.raises(openai.NotFoundError):
            client.get("/nowhere/secret-path", cast_to=object)
        told = client.get("/../metrics", cast_to=str)
        lines = dict(line.rsplit(" ", 1) for line in told.splitlines() if line and line[0] != "#")
        assert lines['tunesmith_requests_total{route="/v1/chat/completions",status="200"}'] == "1.0"
        assert lines['tunesmith_tokens_total{direction="out",model="hats"}'] == f"{answer.usage.completion_tokens}.0"
        assert lines['tunesmith_tokens_total{direction="in",model="hats"}'] == f"{answer.usage.prompt_tokens}.0"
        assert lines['tunesmith_first_token_seconds_count{model="hats"}'] == "1.0"
        assert lines['tunesmith_running_rows{model="hats"}'] == lines['tunesmith_queue_length{model="hats"}'] == "0.0"
        assert lines['tunesmith_requests_total{route="other",status="404"}'] == "1.0"
        assert "secret-path" not in told


def test_who_watches_hears_of_every_answer(run, opened):
    class Heard(list):
        write = list.append

    with served(run, opened) as server:
        client = client_of(server)
        server.app.state.log = heard = Heard()
        answer = client.chat.completions.create(**asked(5))
        client.completions.create(model="hats", prompt="Anna", max_tokens=3)
        with client.chat.completions.create(**asked(5, max_tokens=300, stream=True)) as stream:
            next(iter(stream))
        until(lambda: len(heard) == 3)
        first, second, third = heard
        assert first.id == answer.id
        assert (first.model, first.kind, first.error) == ("hats", "chat", None)
        assert first.asked == "How many hats has Anna after 5?"
        assert first.answered == answer.choices[0].message.content
        assert (first.tokens_in, first.tokens_out) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        assert 0 < first.confidence < 1
        assert (second.asked, second.tokens_out) == ("Anna", 3)
        assert third.error == "hung_up"


def test_where_no_batch_can_be_made_those_who_ask_are_told_and_do_not_wait(run, opened, monkeypatch):
    def broken(self, *_, **__):
        raise ValueError("no batch")

    monkeypatch.setattr(Continuous, "__init__", broken)
    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    with served(run, opened, timeout=3600) as server:
        with pytest.raises(openai.InternalServerError) as raised:
            client_of(server).chat.completions.create(**asked(1))
        assert (raised.value.status_code, raised.value.code) == (503, "closed")


def test_two_runs_of_one_base_differ_in_their_fingerprints(run, opened, tmp_path):
    other = predictor.open(str(run_on(run, tmp_path, "training.steps=1")))
    models = Registry(Settings())
    try:
        prints = {models.put(name, each, None).fingerprint for name, each in {"one": opened, "other": other}.items()}
        assert len(prints) == 2
        assert models.put("again", opened, None).fingerprint in prints
    finally:
        models.close()
