"""Ollama's template as Go's own `text/template` renders it, which docker's client has in it: no imitation of ours.

The client formats what a daemon answers; the daemon is a made-up one, which answers with the turns of a conversation,
put together as Ollama does it (`collate` of its `template/template.go`: a system message stands in `.System` as well).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from leaving import base_of, source_of
from tunesmith.exports import _ollama
from tunesmith.records import Message

pytest.importorskip("gguf")
DOCKER = shutil.which("docker")
pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]),
              pytest.mark.skipif(DOCKER is None, reason="no docker client, whose Go renders the templates")]
SYSTEM = Message("system", "Sell hats\nand \"gloves\", {{ .Content }}.")
TALK = [Message("user", "How many hats?"), Message("assistant", "Two.\nOr three: é, <b>, `x`."),
        Message("user", "{{ .System }} and shirts?"), Message("assistant", "None."), Message("user", "Why?")]
TEMPLATES = ["more/chatml", "more/SmolLM2-135M-Instruct", "more/zephyr", "more/phi3", "more/llama3",
             "release/google-gemma-2-2b-it"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Any]:
    """Answers whatever stands in its `answer`."""
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"OK" if self.path.endswith("/_ping") else json.dumps(self.server.answer).encode()
            self.send_response(200)
            for name, value in {"Content-Type": "application/json", "Api-Version": "1.44",
                                "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def rendered(daemon: Any, template: str, messages: Sequence[Message], home: Path) -> str:
    daemon.answer = {"System": "\n\n".join(each.content for each in messages if each.role == "system"),
                     "Messages": [{"Role": each.role, "Content": each.content} for each in messages]}
    words = [DOCKER, "--config", str(home), "-H", f"tcp://127.0.0.1:{daemon.server_port}", "inspect", "--type",
             "container", "--format", template, "x"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().removesuffix("\n")


@pytest.mark.parametrize("name", TEMPLATES)
def test_go_itself_writes_what_the_proved_template_writes(name, daemon, shared, tmp_path):
    file = shared / "models" / "chat_templates" / f"{name}.jinja"
    source = source_of(base_of("Llama", tmp_path / "base"), template=str(file))
    found = _ollama.read(source, None, adds_bos=False)
    assert found is not None
    usual = [Message("system", found.usual)] if found.usual else []  # the Modelfile's own SYSTEM
    for messages in (TALK[:1], TALK[:3], TALK):
        wanted = source.codec.template.render(messages, generation_prompt=True)
        assert rendered(daemon, found.in_go(), [*usual, *messages], tmp_path) == wanted
        if found.system:
            wanted = source.codec.template.render([SYSTEM, *messages], generation_prompt=True)
            assert rendered(daemon, found.in_go(), [SYSTEM, *messages], tmp_path) == wanted
