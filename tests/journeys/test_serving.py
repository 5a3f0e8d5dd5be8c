"""`tunesmith serve` as a person starts it and stops it, and what it says where it cannot begin."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import openai
import pytest

from runs_of import run_on
from served import allowed
from tiny import tiny_base, tiny_encoder
from tunesmith import cli

pytestmark = allowed
QUESTION = [{"role": "user", "content": "How many hats has Anna after 3?"}]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("to serve")
    return run_on(tiny_base(folder / "base"), folder)


def test_a_server_tells_its_address_answers_and_ends_its_answers_when_it_is_stopped(run, tmp_path):
    vectors = tiny_encoder(tmp_path / "vectors")
    (vectors / "1_Pooling").mkdir()
    (vectors / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    words = [sys.executable, "-m", "tunesmith", "serve", f"hats={run}", str(vectors), "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        told = json.loads(server.stdout.readline())
        assert told["models"] == ["hats", "vectors"]
        client = openai.OpenAI(base_url=f"{told['url']}/v1", api_key="none", max_retries=0)
        assert len(client.embeddings.create(model="vectors", input="Anna").data[0].embedding) == 32
        pieces = client.chat.completions.create(model="hats", messages=QUESTION, max_tokens=440, stream=True)
        first = next(pieces)
        server.send_signal(signal.SIGTERM)
        rest = list(pieces)
        assert server.wait(60) == 0
        assert first.choices[0].delta.role == "assistant"
        assert rest[-1].choices[0].finish_reason in ("stop", "length")
        assert server.stdout.read() == ""
        errors = server.stderr.read()
    assert "stopped" in errors and "Traceback" not in errors
    assert errors.splitlines()[:2] == [f"opening hats={run}", f"opening {vectors}"]  # before it can be asked
    with pytest.raises(openai.APIConnectionError):
        client.models.list()


SLOW = """
import sys, time
from tunesmith import cli
from tunesmith.serving.registry import Registry

def add(self, *given):
    print("loading", flush=True)
    while True:
        time.sleep(0.01)

Registry.add = add
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_while_it_loads_says_so_and_ends_as_what_can_be_tried_again(tmp_path, by):
    words = [sys.executable, "-c", SLOW, "serve", "any", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "loading\n"
        server.send_signal(by)
        assert server.wait(60) == 75
        assert server.stdout.read() == ""
        errors = server.stderr.read()
    assert f"stopped by {by.name} while nothing was served" in errors and "run the same command again" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("words", "said"), [
    (["--port", "99999"], "nothing can listen at 127.0.0.1, port 99999"),
    (["--rows", "0"], "`--rows` is 0: input should be greater than or equal to 1"),
    (["--timeout", "nan"], "`--timeout` is nan"),
    (["--host", "0.0.0.0"], "no key is named"),
    (["--prot", "0"], "use `--port`"),
])
def test_what_cannot_be_served_so_is_told_at_once(run, capsys, words, said):
    assert cli.main(["serve", str(run), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "no-such-run", "--port", str(port)]) == 2
    assert f"port {port}: address already in use\n" in capsys.readouterr().err


def test_two_runs_of_one_name_want_another(run, capsys):
    assert cli.main(["serve", str(run), str(run), "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert f"`{run.name}` is served already" in error and f"NAME={run}" in error


def test_what_is_no_run_is_told_as_everywhere(tmp_path, capsys):
    assert cli.main(["serve", str(tmp_path / "no-such-run"), "--port", "0"]) != 0
    assert "no-such-run" in capsys.readouterr().err
