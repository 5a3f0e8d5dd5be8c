"""What no client should send: thousands of requests, none of which may find a fault of the server's own."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from crowds import Process, process, said
from served import allowed, serving
from tiny import tiny_base
from tunesmith.inference import predictor
from tunesmith.serving.checks import Door
from tunesmith.serving.limits import Limits
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from wire import Heard, request, talk

pytestmark = allowed
QUICK = Limits(header_seconds=0.5, body_seconds=0.5, write_seconds=0.5)
ROUTES = ("/v1/completions", "/v1/chat/completions", "/v1/models", "/health", "/metrics", "/v1/embeddings", "/predict")
GOOD = {
    "/v1/completions": {"model": "tiny", "prompt": "Anna", "max_tokens": 2},
    "/v1/chat/completions": {"model": "tiny", "messages": [{"role": "user", "content": "Anna"}], "max_tokens": 2},
}
VALUES = (None, True, False, -1, 0, 1, 1.5, 1e308, -0.0, 2**63, 2**200, "", "a", "\x00", "\ud800", "\U0010ffff", [], {},
          [[]], [None], {"": {}}, "a" * 5000, ["a"] * 500, {"role": "user"}, "tiny", "NaN")
LITERALS = (b"NaN", b"Infinity", b"-Infinity", b"1e999999", b"0x10", b"'a'", b"[" * 20_000, b'{"a":' * 20_000, b"nul",
            b'"\\ud800"', b'"\xff\xfe"', b"\xef\xbb\xbf{}", b"{}{}", b'{"model": "tiny", "model": "other"}',
            b"\x00", b"")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("malformed") / "tiny", max_position_embeddings=64)


@pytest.fixture(scope="module")
def server(base):
    models = Registry(Settings())
    models.put("tiny", predictor.open(str(base)), None)
    with serving(models, Door(limits=QUICK)) as running:
        yield running


def raw(generator: random.Random) -> bytes:
    """One request that is wrong somewhere, by a way that is drawn."""
    path = generator.choice(ROUTES)
    whole = request("POST", path, json.dumps(GOOD.get(path, {})).encode(), connection="close",
                    content_type="application/json")
    way = generator.choice((_noise, _flipped, _cut, _framed, _chunked, _line, _headers, _json, _fields, _doubled))
    return way(whole, path, generator)


def _noise(whole: bytes, path: str, generator: random.Random) -> bytes:
    return generator.randbytes(generator.randrange(1, 3000)) + b"\r\n\r\n"


def _flipped(whole: bytes, path: str, generator: random.Random) -> bytes:
    bytes_ = bytearray(whole)
    for _ in range(generator.randrange(1, 6)):
        bytes_[generator.randrange(len(bytes_))] = generator.randrange(256)
    return bytes(bytes_)


def _cut(whole: bytes, path: str, generator: random.Random) -> bytes:
    at = generator.randrange(len(whole))
    return whole[:at] + whole[at + generator.randrange(1, 20):]


def _framed(whole: bytes, path: str, generator: random.Random) -> bytes:
    lengths = ("-1", "+5", "5, 6", "5 6", "0x5", "99999999999999999999999", "1e3", "", " ", "٣", "00000002")
    length = generator.choice(lengths).encode().decode("latin-1")
    head = request("POST", path, connection="close", content_length=length)
    if generator.random() < 0.5:
        head = head.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n")
    return head + b"{}" + generator.randbytes(20)


def _chunked(whole: bytes, path: str, generator: random.Random) -> bytes:
    head = request("POST", path, connection="close", transfer_encoding=generator.choice(
        ("chunked", "chunked, chunked", "gzip, chunked", "identity", "xchunked", "chunked\t", "CHUNKED", "deflate")))
    sizes = (b"zz", b"-1", b"ffffffffffffffff", b"2 ", b"2;a=b", b"2;" + b"a" * 9000, b"0x2", b"", b"\x00", b"2\n")
    ends = (b"0\r\n\r\n", b"0\r\n", b"0\r\na: b\r\n\r\n")
    return head + generator.choice(sizes) + b"\r\n{}\r\n" + generator.choice(ends)


def _line(whole: bytes, path: str, generator: random.Random) -> bytes:
    targets = ("", "*", path.upper(), f"http://127.0.0.1{path}", f"//127.0.0.1{path}", f"{path}/../x", f"{path}%00",
               "/%", f"{path}#x", f"{path}?{'a=b&' * 900}", "/" + "a" * 9000, "/%ff%fe", "/\\..\\",
               path + "/" * 50, "/;/")
    methods = ("GET", "get", "POST", "PUT", "CONNECT", "TRACE", "OPTIONS", "PRI", "G ET", "A" * 3000, "\x00", "HEAD",
               "DELETE")
    versions = ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "HTTP/1.1 x", "HTTP/1.10")
    ends = ("\r\n", "\n", "\r", "\r\n ")
    return (f"{generator.choice(methods)} {generator.choice(targets)} {generator.choice(versions)}"
            f"{generator.choice(ends)}host: localhost\r\nconnection: close\r\n\r\n").encode("latin-1")


def _headers(whole: bytes, path: str, generator: random.Random) -> bytes:
    odd = (b"x: \x00", b"x : y", b" folded: y", b": y", b"x", b"x: " + b"a" * 70_000, b"host: other", b"\xff: y",
           b"expect: 100-continue", b"expect: x", b"connection: keep-alive, x", b"upgrade: h2c",
           b"content-encoding: br", b"content-type: text/plain; charset=x", b"content-type: \xff",
           b"authorization: Bearer \xff", b"accept: \x01", b"range: bytes=0-", b"cookie: " + b"a=b; " * 500,
           b"x-forwarded-for: ::1",
           b"\r\n".join([b"x: y"] * 300))
    return whole.replace(b"\r\n\r\n", b"\r\n" + generator.choice(odd) + b"\r\n\r\n", 1)


def _json(whole: bytes, path: str, generator: random.Random) -> bytes:
    return request(generator.choice(("POST", "GET", "DELETE")), path, generator.choice(LITERALS), connection="close",
                   content_type=generator.choice(("application/json", "text/plain", "multipart/form-data", "")))


def _fields(whole: bytes, path: str, generator: random.Random) -> bytes:
    body: dict[str, Any] = dict(GOOD.get(path, GOOD["/v1/completions"]))
    names = (*body, "temperature", "top_p", "seed", "stop", "n", "stream", "stream_options", "logprobs",
             "chat_template", "input", "user", "suffix", "response_format", "tools")
    for _ in range(generator.randrange(1, 4)):
        body[generator.choice(names)] = generator.choice(VALUES)
    return request("POST", path, json.dumps(body).encode(), connection="close", content_type="application/json")


def _doubled(whole: bytes, path: str, generator: random.Random) -> bytes:
    return whole.replace(b"connection: close\r\n", b"") + generator.randbytes(30) + whole


def thrown(port: int, count: int, *, start: int = 0) -> Counter[int]:
    """Send so many wrong requests, many at a time; how often each status came (0: closed without a word)."""

    async def go() -> Iterator[Heard]:
        heard: list[Heard] = []
        for first in range(start, start + count, 64):
            group = range(first, min(first + 64, start + count))
            heard += await asyncio.gather(*(said(port, raw(random.Random(number))) for number in group))
        return iter(heard)

    statuses: Counter[int] = Counter()
    for number, each in enumerate(asyncio.run(go()), start):
        statuses[each.status] += 1
        assert each.status < 500, (raw(random.Random(number))[:500], each.raw[:500])
        assert b"Traceback" not in each.raw
        if each.status >= 400 and not raw(random.Random(number)).startswith(b"HEAD"):
            assert each.raw.count(b'"error"') == 1 or each.raw.count(b"HTTP/1.1 ") > 1, each.raw[:500]
    return statuses


@pytest.mark.fault("malformed requests")
def test_raw_malformed_requests_find_no_fault(server, record_property, caplog):
    statuses = thrown(server.port, 200)
    assert statuses[400] > 40 and statuses[200] > 0
    assert talk(server.port, request(path="/health")).status == 200
    assert not [record for record in caplog.records if record.exc_info]
    record_property("tried", 200)


@pytest.mark.fault("malformed requests")
def test_cases_made_from_the_servers_own_schema_find_no_fault(server, record_property, caplog):
    statuses = generated(server.app, server.port, 80)
    assert statuses[200] > 0 and sum(statuses.values()) >= 80
    assert talk(server.port, request(path="/health")).status == 200
    assert not [record for record in caplog.records if record.exc_info]
    record_property("tried", sum(statuses.values()))


def generated(app: Any, port: int, count: int) -> Counter[int]:
    """Send so many cases that schemathesis makes of the schema, right and wrong ones; how often each status came."""
    import requests
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_dict(known(app.openapi()))
    operations = [found.ok() for found in schema.get_all_operations()]
    asking = [each for each in operations if each.body.items or list(each.iter_parameters())]
    ways = [*((each, GenerationMode.POSITIVE) for each in operations),
            *((each, GenerationMode.NEGATIVE) for each in asking if each.body.items)]
    statuses: Counter[int] = Counter()
    with requests.Session() as session:
        for turn in itertools.count():
            for operation, mode in ways:
                share = 1 if operation not in asking else min(50, -(-count // len(ways)))
                _sent(operation.as_strategy(generation_mode=mode), port, (share, turn), session, statuses)
            if sum(statuses.values()) >= count:
                return statuses


def _sent(strategy: Any, port: int, share: tuple[int, int], session: Any, statuses: Counter[int]) -> None:
    @seed(share[1])
    @settings(max_examples=share[0], database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(strategy)
    def send(case: Any) -> None:
        answer = case.call(base_url=f"http://127.0.0.1:{port}", session=session, timeout=60)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (case.as_curl_command(), answer.text[:500])
        assert "Traceback" not in answer.text

    send()


def known(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, in which the only model is the one that is served: else hardly a case came further than its name."""
    for each in schema["components"]["schemas"].values():
        if "model" in each.get("properties", {}):
            each["properties"]["model"] = {"enum": ["tiny"]}
    return schema


@pytest.mark.fault("malformed requests")
@pytest.mark.long
def test_two_thousand_raw_malformed_requests_find_no_fault(base, tmp_path, record_property):
    with process(tmp_path, f"tiny={base}") as running:
        statuses = thrown(running.port, 2000, start=1000)
        print(f"2,000 raw malformed requests: {dict(sorted(statuses.items()))}")
        _alive(running)
    record_property("tried", 2000)


@pytest.mark.fault("malformed requests")
@pytest.mark.long
def test_ten_thousand_cases_of_schemathesis_find_no_fault(server, base, tmp_path, record_property):
    with process(tmp_path, f"tiny={base}") as running:
        statuses = generated(server.app, running.port, 10_000)
        print(f"{sum(statuses.values()):,} cases of schemathesis: {dict(sorted(statuses.items()))}")
        assert sum(statuses.values()) >= 9_000
        _alive(running)
    record_property("tried", sum(statuses.values()))


def _alive(running: Process) -> None:
    assert talk(running.port, request(path="/health")).status == 200
    assert running.child.poll() is None
    assert "Traceback" not in running.log.read_text()
