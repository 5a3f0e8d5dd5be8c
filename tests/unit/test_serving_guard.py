"""What may reach the routes, and what a stranger is told: over real sockets, before a toy application."""

from __future__ import annotations

import logging
import socket
import time

import pytest

from tunesmith.errors import Misuse
from tunesmith.serving import keys
from tunesmith.serving.checks import Door
from tunesmith.serving.limits import Limits
from tunesmith.serving.logs import Redacting
from wire import Toy, allowed, connected, heard, request, running, talk

KEY = "k3y-of-the-server-and-no-other"
QUICK = Limits(header_seconds=0.3, body_seconds=0.3, write_seconds=0.3, body_bytes=1000, upload_bytes=2000)

pytestmark = allowed


@pytest.fixture(scope="module")
def toy():
    return Toy()


@pytest.fixture(scope="module")
def local(toy):
    """A port of a server for this machine alone, without a key."""
    with running(toy, Door(limits=QUICK)) as port:
        yield port


@pytest.fixture(scope="module")
def public(toy):
    """A port of a server that thinks that others reach it."""
    with running(toy, Door(host="0.0.0.0", key=KEY, limits=QUICK)) as port:
        yield port


@pytest.fixture(autouse=True)
def unreached(toy):
    toy.reached.clear()


def test_an_ordinary_request_passes_with_its_body(local, toy):
    answer = talk(local, request("POST", body=b'{"a": 1}'))
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert toy.reached == ["POST /echo"]


def test_a_chunked_body_passes(local):
    chunked = request("POST", transfer_encoding="chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert talk(local, chunked).body == b"abcde"


def test_a_connection_is_used_for_several_requests(local):
    with connected(local) as client:
        for body in (b"one", b"two", b"three"):
            client.sendall(request("POST", body=body))
            assert heard(client).body == body


def test_every_answer_has_the_headers_that_keep_a_browser_from_guessing(local):
    for answer in (talk(local, request()), talk(local, request(path="/../x"))):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("sent", "status"), [
    (request("POST", body=b"abc", transfer_encoding="chunked"), 400),
    (request("POST", body=b"abc", transfer_encoding="gzip, chunked"), 400),
    (request("POST", body=b"abc", content_encoding="gzip"), 415),
    (request("POST", content_length="-1"), 400),
    (request("POST", content_length="3, 4"), 400),
    (request("POST", content_length="0x10"), 400),
    (request(path="http://127.0.0.1/echo"), 400),
    (request("OPTIONS", path="*"), 400),
    (request("OPTIONS"), 405),
    (request("TRACE"), 405),
    (request("CONNECT"), 405),
    (request("PUT"), 405),
    (request("PATCH"), 405),
    (request("BREW"), 405),
    (request(path="/../etc/passwd"), 400),
    (request(path="/%2e%2e/etc/passwd"), 400),
    (request(path="/%252e%252e/etc/passwd"), 400),
    (request(path="/..%5c..%5cwindows"), 400),
    (request(path="/a%00b"), 400),
    (request(path="/a%ffb"), 400),
    (request(path="//health"), 400),
    (request(path="/" + "a" * 5000), 414),
    (request(host=None), 400),
    (request(host="a b"), 400),
    (request(host="127.0.0.1, evil.example"), 400),
    (request().replace(b"\r\n\r\n", b"\r\nhost: localhost\r\n\r\n"), 400),
    (request(x="a\x00b"), 400),
    (request(x="a" * 20_000), 431),
    (request(x="a" * 200_000)[:-4], 431),
    (request(**{f"x{number}": "a" for number in range(200)}), 431),
    (request(**{f"x{number}": "a" for number in range(10_000)}), 431),
    (b"GET /health\r\n\r\n", 400),
    (b"GET  /health HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client that speaks TLS\r\n\r\n", 400),
    (request("POST", transfer_encoding="chunked") + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    (request("POST", transfer_encoding="chunked") + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    (request("POST", content_length="5000000000"), 413),
    (request("POST", body=b"a" * 1001), 413),
    (request("POST", "/v1/files", body=b"a" * 2001), 413),
    (request("POST", transfer_encoding="chunked") + b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n", 413),
])
def test_what_is_malformed_or_too_large_is_told_so_and_never_answered(local, toy, sent, status):
    answer = talk(local, sent)
    assert answer.status == status, answer.raw
    assert answer.error["message"] and answer.error["code"]
    assert "Traceback" not in answer.raw.decode("latin-1")
    assert all(reached == "POST /echo" for reached in toy.reached)  # a body is judged while it comes
    assert talk(local, request()).status == 200


def test_uploads_may_be_larger_than_other_bodies(local):
    assert talk(local, request("POST", "/v1/files", body=b"a" * 2000)).status == 200


def test_what_hides_behind_an_ambiguous_length_is_never_read(local, toy):
    hidden = request(path="/hidden")
    answer = talk(local, request("POST", body=b"0\r\n\r\n" + hidden, transfer_encoding="chunked"))
    assert answer.status == 400
    assert "GET /hidden" not in toy.reached


@pytest.mark.parametrize(("headers", "status"), [
    ({"host": "localhost"}, 200), ({"host": "localhost:9000"}, 200), ({"host": "[::1]:80"}, 200),
    ({"host": "LOCALHOST."}, 200),
    ({"host": "rebound.example"}, 403), ({"host": "127.0.0.1.evil.example"}, 403),
    ({"host": "localhost.evil.example"}, 403),
    ({"origin": "http://127.0.0.1"}, 200),
    ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"origin": "http://127.0.0.1:81"}, 403),
    ({"origin": "http://127.0.0.1.evil.example"}, 403), ({"origin": ""}, 403),
    ({"sec_fetch_site": "cross-site"}, 403), ({"sec_fetch_site": "same-origin"}, 200),
    ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, 200),
])
def test_pages_from_elsewhere_and_names_bound_anew_reach_nothing(local, toy, headers, status):
    assert talk(local, request(**headers)).status == status
    assert len(toy.reached) == (status == 200)


def test_a_preflight_is_never_granted(local):
    answer = talk(local, request("OPTIONS", access_control_request_method="POST", origin="http://127.0.0.1"))
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, POST")


def test_a_name_may_be_allowed(toy):
    with running(toy, Door(hosts=frozenset({"box.home"}), limits=QUICK)) as port:
        assert [talk(port, request(host=host)).status for host in ("box.home:8000", "other.home")] == [200, 403]


@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}",
    f"Bearer {KEY.upper()}", "Bearer \xff\xfe", f"Bearer {KEY} {KEY}",
])
@pytest.mark.parametrize("path", ["/echo", "/metrics", "/health/", "/health/x", "/v1/models", "/", "/HEALTH"])
def test_off_the_loopback_no_route_but_health_answers_without_the_key(public, toy, authorization, path):
    answer = talk(public, request(path=path, authorization=authorization))
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert not toy.reached
    assert KEY not in answer.raw.decode("latin-1")


def test_off_the_loopback_the_key_opens_every_route_and_health_needs_none(public, toy):
    assert talk(public, request(path="/health", host="any.name.example")).status == 200
    assert talk(public, request(authorization=f"Bearer {KEY}")).status == 200
    twice = request(authorization=f"Bearer {KEY}").replace(b"\r\n\r\n", b"\r\nauthorization: Bearer wrong\r\n\r\n")
    assert talk(public, twice).status == 401


def test_a_key_that_is_named_counts_on_the_loopback_too(toy):
    with running(toy, Door(key=KEY, limits=QUICK)) as port:
        assert [talk(port, request(path=path)).status for path in ("/health", "/echo")] == [200, 401]


def test_a_server_that_others_reach_never_opens_without_a_key_whatever_started_it(toy):
    with running(toy, Door(host="0.0.0.0", limits=QUICK)) as port:
        assert talk(port, request()).status == talk(port, request(authorization="Bearer ")).status == 401


def test_a_fault_of_a_route_tells_a_number_and_the_log_tells_the_rest(local, caplog):
    with caplog.at_level(logging.ERROR, "tunesmith.serving"):
        answer = talk(local, request(path="/fails"))
    assert (answer.status, answer.error["type"]) == (500, "server_error")
    assert "RuntimeError" not in answer.raw.decode() and "sk-" not in answer.raw.decode()
    [record] = [record for record in caplog.records if record.name == "tunesmith.serving"]
    number = answer.error["message"].split("`")[1]
    line = Redacting(KEY).format(record)
    assert number in line and "RuntimeError" in line and "s" * 30 not in line
    assert talk(local, request()).status == 200


def test_a_fault_in_the_middle_of_an_answer_ends_it_short(local):
    answer = talk(local, request(path="/fails-later"))
    assert answer.body.startswith(b"4\r\nhalf") and not answer.body.endswith(b"0\r\n\r\n")  # the last chunk is missing
    assert talk(local, request()).status == 200


def test_the_log_blots_out_keys_and_spells_out_what_would_steer_a_terminal():
    record = logging.LogRecord("x", logging.INFO, "x", 1, "GET %s %s", (f"/?key={KEY}", "\x1b[2J"), None)
    assert KEY not in Redacting(KEY).format(record) and "\x1b" not in Redacting(KEY).format(record)


def test_a_header_that_is_half_sent_is_told_so_and_closed(local):
    with connected(local) as client:
        client.sendall(request()[:-2])
        assert heard(client).status == 408
        assert client.recv(1) == b""


def test_a_connection_that_says_nothing_is_closed(local):
    with connected(local) as client:
        assert heard(client).status == 408


def test_the_second_header_of_a_connection_has_no_longer_than_the_first(local):
    with connected(local) as client:
        client.sendall(request())
        assert heard(client).status == 200
        client.sendall(request()[:-2])
        assert heard(client).status == 408


def test_bytes_that_drip_prolong_nothing(local):
    with connected(local) as client:
        closed = dripped(client, request(x="a" * 5000))
    assert closed


def dripped(client: socket.socket, sent: bytes) -> bool:
    """Send byte after byte until the server closes; whether it does before the end."""
    client.settimeout(0.01)
    for byte in sent:
        try:
            client.sendall(bytes([byte]))
            while (part := client.recv(100)):
                assert part
            return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_a_body_that_is_half_sent_is_told_so_and_closed(local, toy):
    toy.left = 0
    with connected(local) as client:
        client.sendall(request("POST", body=b"abc", content_length="10"))
        answer = heard(client)
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert client.recv(1) == b""
    assert toy.left == 1


def test_a_body_that_drips_is_cut_off(local):
    with connected(local) as client:
        client.sendall(request("POST", content_length="900"))
        assert dripped(client, b"a" * 900)


@pytest.mark.parametrize("path", ["/unread", "/%2e%2e/x"])
def test_a_body_that_nobody_reads_holds_no_connection(local, path):
    with connected(local) as client:
        client.sendall(request("POST", path, body=b"abc", content_length="900"))
        answer = heard(client)
        assert answer.headers["connection"] == "close"
        assert client.recv(1) == b""


def test_a_small_body_that_nobody_reads_costs_no_connection(local):
    with connected(local) as client:
        for _ in range(3):
            client.sendall(request("POST", "/unread", body=b"abc"))
            assert heard(client).status == 200


def test_a_client_that_does_not_read_is_let_go(local, toy):
    toy.left = toy.sent = 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", local))
        client.sendall(request(path="/stream"))
        for _ in range(1000):
            if toy.left:
                break
            time.sleep(0.02)
    assert toy.left == 1
    assert toy.sent < 200  # what the system's own buffers hold, and no more


def test_a_client_that_hangs_up_ends_its_answer(local, toy):
    toy.left = 0
    with connected(local) as client:
        client.sendall(request(path="/stream"))
        client.recv(100)
    for _ in range(1000):
        if toy.left:
            break
        time.sleep(0.02)
    assert toy.left == 1


def test_pipelined_requests_are_answered_in_turn_and_garbage_between_ends_the_connection(local):
    with connected(local) as client:
        client.sendall(request("POST", body=b"one") + b"\x00\x01garbage\r\n\r\n" + request("POST", body=b"two"))
        assert heard(client).body.startswith(b"one")
        rest = heard(client)
    assert b"two" not in rest.raw


def test_beyond_the_most_connections_one_is_told_when_to_come_back(toy):
    with running(toy, Door(limits=Limits(connections=2))) as port:
        with connected(port), connected(port) as second:
            second.sendall(request())
            assert heard(second).status == 200
            with connected(port) as third:
                answer = heard(third)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_beyond_the_most_requests_health_alone_answers(toy):
    with running(toy, Door(limits=Limits(requests=1))) as port, connected(port) as busy:
        busy.sendall(request("POST", body=b"abc", content_length="10"))
        for _ in range(100):
            if toy.reached:
                break
            time.sleep(0.02)
        answer = talk(port, request())
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert talk(port, request(path="/health")).status == 200


def test_a_websocket_is_no_way_in(local, toy):
    answer = talk(local, request(connection="Upgrade", upgrade="websocket", sec_websocket_version="13",
                                 sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="))
    assert answer.status == 200 and toy.reached == ["GET /echo"]  # the wish is not heard: it is a request like others


def test_off_the_loopback_a_key_must_be_named(monkeypatch):
    with pytest.raises(Misuse, match=r"`0\.0\.0\.0` can be reached by others"):
        keys.read("0.0.0.0")
    for host in ("127.0.0.1", "localhost", "::1"):
        assert keys.read(host) == ""
    monkeypatch.setenv("MY_KEY", KEY)
    assert keys.read("0.0.0.0", variable="MY_KEY") == KEY


def test_a_key_is_read_from_a_file(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    assert keys.read("::", file=tmp_path / "key") == KEY


@pytest.mark.parametrize(("value", "kind"), [
    ("", "serve.no_key"), ("short", "serve.short_key"), ("a key with blanks in it", "serve.odd_key"),
    ("schlüssel-schlüssel", "serve.odd_key")])
def test_a_key_that_would_not_guard_is_a_mistake_and_is_not_shown(monkeypatch, value, kind):
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(Misuse) as told:
        keys.read("0.0.0.0", variable="MY_KEY")
    assert told.value.kind == kind
    assert not value or value not in str(told.value)


def test_a_door_does_not_show_its_key():
    assert KEY not in repr(Door(key=KEY))
