"""What strangers try: to climb out, to make the server call somebody, to have their template rendered, to learn a key.

An audit hook sees every file that is opened and every address that is resolved or connected to in this process, while a
test watches.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from served import allowed, serving
from tiny import tiny_base
from tunesmith.inference import predictor
from tunesmith.serving.checks import Door
from tunesmith.serving.logs import Redacting
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from wire import Heard, request, talk

pytestmark = allowed
KEY = "k3y-of-the-server-and-no-other"
PLANTED = ("hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC", "sk-" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC", KEY)
CANARY = "the canary of a file that nobody may read"
WATCHED: list[list[tuple[str, str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED and event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "import"):
        for each in WATCHED:
            each.append((event, " ".join(map(str, arguments[:2]))))


sys.addaudithook(_hook)


@contextlib.contextmanager
def watched() -> Iterator[list[tuple[str, str]]]:
    """What this process opens and connects to meanwhile."""
    seen: list[tuple[str, str]] = []
    WATCHED.append(seen)
    try:
        yield seen
    finally:
        WATCHED.remove(seen)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("security")
    (folder / "canary.txt").write_text(CANARY, encoding="utf-8")
    return tiny_base(folder / "tiny")


@pytest.fixture(scope="module")
def opened(base):
    return predictor.open(str(base))


@pytest.fixture(scope="module")
def port(opened):
    models = Registry(Settings())
    models.put("tiny", opened, None)
    with serving(models) as server:
        for path in ("/v1/models/x", "/v1/files/x/content"):  # FastAPI reads a route's own source at its first call
            talk(server.port, request(path=path))
        ask(server.port, "/v1/chat/completions", {**CHAT, "max_tokens": 1})
        yield server.port


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Anna"}], "max_tokens": 2, "temperature": 0}


def ask(port: int, path: str, body: dict[str, Any], **headers: str) -> Heard:
    return talk(port, request("POST", path, json.dumps(body).encode(), content_type="application/json", **headers))


def climbing(canary: Path) -> list[str]:
    """Over two hundred ways to name a file that lies elsewhere."""
    targets = (str(canary), "/etc/passwd", "/proc/self/environ", "canary.txt", "C:\\windows\\win.ini", "~/.ssh/id_rsa",
               "config.json", "/dev/zero")
    plain = [climb + target.lstrip("/") for target in targets
             for climb in ("../", "../../../../../../", "..\\..\\..\\", "....//....//", "/", "./../", "..;/", "x/../")]
    plain += [f"{target}\x00.json" for target in targets] + [f"file://{target}" for target in targets]
    plain += ["．．／".join(["", target]) for target in targets] + [f"‥/{target}" for target in targets]
    coded = [quote(each, safe="") for each in plain]
    return [*plain, *coded, *(quote(each, safe="") for each in coded)]


@pytest.mark.fault("requests that would lead out")
def test_no_path_or_name_in_a_request_opens_a_file(port, base, record_property):
    payloads = climbing(base.parent / "canary.txt")
    assert len(payloads) >= 200
    with watched() as seen:
        heard = []
        for payload in payloads:
            raw = payload.encode("utf-8", "surrogatepass").decode("latin-1").replace(" ", "%20")
            heard.append(talk(port, request(path=f"/v1/models/{raw}", connection="close")))
            heard.append(talk(port, request(path=f"/v1/files/{raw}/content", connection="close")))
            heard.append(ask(port, "/v1/chat/completions", {**CHAT, "model": payload[:500]}))
    assert all(400 <= each.status < 500 for each in heard)
    assert not [each for each in heard if CANARY.encode() in each.raw or b"root:" in each.raw]
    assert not [what for event, what in seen if event == "open"]
    record_property("tried", len(heard))


ADDRESSES = (
    "http://169.254.169.254/latest/meta-data/", "http://[::1]:{port}/", "http://2130706433:{port}/",
    "http://0x7f000001:{port}/", "http://127.1:{port}/", "http://localhost:{port}/",
    "http://127.0.0.1:{port}\\@example.org/",
    "http://example.org\\@127.0.0.1:{port}/", "http://example.org@127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_GET", "dict://127.0.0.1:{port}/",
    "data:image/png;base64,iVBORw0KGgo=", "http://127.0.0.1:{port}/redirect", "jar:http://127.0.0.1:{port}!/",
    "unix:/run/x",
)


@pytest.mark.fault("requests that would lead out")
def test_no_address_in_a_request_is_fetched_or_even_resolved(port, record_property):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        addresses = [each.format(port=canary.getsockname()[1]) for each in ADDRESSES]
        bodies = [body for address in addresses for body in (
            {**CHAT, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": address}}]}]},
            {**CHAT, "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": address}}]}]},
            {**CHAT, "messages": [{"role": "user", "content": address}]},
            {**CHAT, "model": address}, {**CHAT, "base_url": address}, {**CHAT, "webhook": address})]
        with watched() as seen:
            heard = [ask(port, "/v1/chat/completions", body) for body in bodies]
        with pytest.raises(TimeoutError):
            canary.accept()
    assert {each.status for each in heard} == {200, 400, 404}  # 200: an address that somebody speaks of is a text
    called = [what for event, what in seen if event == "socket.connect" and str(("127.0.0.1", port)) not in what]
    assert not called
    assert not [what for event, what in seen if event in ("subprocess.Popen", "os.exec")]
    assert not [what for event, what in seen if event == "socket.getaddrinfo" and not what.startswith("127.0.0.1 ")]
    record_property("tried", len(heard))


@pytest.mark.fault("requests that would lead out")
@pytest.mark.parametrize(("field", "value"), [
    ("chat_template", "{{ cycler.__init__.__globals__.os.popen('id').read() }}"), ("chat_template", ""),
    ("chat_template_kwargs", {"enable_thinking": True}), ("chat_template_kwargs", {}), ("documents", []),
    ("add_generation_prompt", False), ("continue_final_message", True), ("guided_regex", "(a+)+$"),
    ("logits_processors", ["os.system"]), ("prompt_embeds", "gASVAAAAAAAAAA=="), ("lora_path", "/etc"),
    ("extra_body", {"chat_template": "x"}), ("n_discard", -1), ("mm_processor_kwargs", {}),
    ("model_path", "/etc/passwd"),
])
def test_no_template_path_class_or_tensor_is_taken_from_a_request(port, field, value):
    answer = ask(port, "/v1/chat/completions", {**CHAT, field: value})
    assert (answer.status, answer.error["param"]) == (400, field)


@pytest.mark.fault("requests that would lead out")
@pytest.mark.parametrize("text", ["{{ 7 * 191 }}", "{% for i in range(10**9) %}x{% endfor %}", "${7*191}",
                                  "{{ ''.__class__.__mro__ }}", "{# comment #}"])
def test_a_template_in_a_message_is_a_text(port, opened, text):
    from tunesmith.encoding.documents import chat
    from tunesmith.records import Message

    answer = ask(port, "/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": text}]})
    read = json.loads(answer.body)["usage"]["prompt_tokens"]
    assert read == len(chat.prompt((Message("user", text),), opened.codec).ids) > len(text) / 8


@pytest.mark.fault("requests that would lead out")
def test_control_tokens_in_a_message_stay_text(port):
    def read(text: str) -> int:
        answer = ask(port, "/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": text}]})
        return int(json.loads(answer.body)["usage"]["prompt_tokens"])

    for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
        assert read(token * 5) - read("") >= 5 * 4, "one id each would be the control token itself"


def test_no_key_or_token_reaches_the_log_an_error_of_others_or_the_metrics(opened, caplog, monkeypatch):
    models = Registry(Settings())
    models.put("tiny", opened, None)
    broken = Registry(Settings())
    monkeypatch.setattr(broken, "find", _fault)
    for served in (models, broken):
        with caplog.at_level(logging.DEBUG), serving(served, Door(key=KEY)) as server:
            heard = [ask(server.port, "/v1/chat/completions", {**CHAT, "user": secret, "model": secret, "stop": secret},
                         authorization=f"Bearer {KEY}", x_api_key=secret) for secret in PLANTED]
            heard.append(talk(server.port, request(path=f"/v1/models?api_key={PLANTED[0]}",
                                                   authorization=f"Bearer {KEY}x")))
            metrics = talk(server.port, request(path="/metrics", authorization=f"Bearer {KEY}")).raw.decode()
            other = talk(server.port, request(path="/v1/models", authorization="Bearer no")).raw.decode()
        written = "\n".join(Redacting(KEY).format(record) for record in caplog.records)
        assert not [secret for secret in PLANTED for text in (written, metrics, other) if secret in text]
        assert all(KEY.encode() not in each.raw or PLANTED[-1] == KEY for each in heard)
    assert {each.status for each in heard} == {500, 401}


def _fault(name: str, *kinds: str) -> None:
    raise RuntimeError(f"a fault about {name}, with password={KEY}")


def test_nothing_is_sent_to_whatever_the_environment_names(opened, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.3)
        address = f"http://127.0.0.1:{canary.getsockname()[1]}"
        for name, value in {
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp",
            "HTTP_PROXY": address, "HTTPS_PROXY": address, "ALL_PROXY": address,
            "HF_ENDPOINT": address, "SENTRY_DSN": f"{address}/1", "PROMETHEUS_PUSHGATEWAY": address,
        }.items():
            monkeypatch.setenv(name, value)
        models = Registry(Settings())
        models.put("tiny", opened, None)
        with serving(models) as server:
            assert ask(server.port, "/v1/chat/completions", CHAT).status == 200
            assert ask(server.port, "/v1/chat/completions", {"model": 1}).status == 400
            telemetry = server.app._telemetry
        assert not [name for name, value in telemetry.items() if value]
        with pytest.raises(TimeoutError):
            canary.accept()


def test_no_page_of_documentation_loads_scripts_from_elsewhere(port):
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert talk(port, request(path=path)).status == 404


def test_the_environment_says_no_to_telemetry_once_a_model_is_open(opened):
    assert os.environ["DO_NOT_TRACK"] == os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
