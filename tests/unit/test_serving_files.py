"""`/v1/files`, asked by OpenAI's own client and by clients that mean harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from fine_tuned import asked, rows
from hub import allowed
from tunesmith.errors import Busy
from tunesmith.jobs import files as contents
from tunesmith.jobs import service
from tunesmith.jobs.place import Place
from tunesmith.serving import files
from tunesmith.serving.multipart import PARTS, Begun, Data, Form
from tunesmith.serving.refusals import Refused

pytestmark = allowed
NAMES = ["../../etc/passwd", "/etc/passwd", "..\\..\\evil.jsonl", "~/x", ".lock", "jobs.sqlite", "a\nb\x1b[2J.jsonl",
         "%2e%2e%2fx", "‮lnosj.txt", 'a"b.jsonl', "C:\\x", "файл.jsonl", "con", "a" * 200]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs") / "jobs"


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[openai.OpenAI]:
    with asked(place, []) as (client, _):
        yield client


def everything(place: Path) -> set[str]:
    return {str(path.relative_to(place.parent)) for path in place.parent.rglob("*")}


def test_a_file_comes_back_as_it_was_sent(client):
    sent = client.files.create(file=("train.jsonl", rows(3)), purpose="fine-tune")
    assert (sent.filename, sent.bytes, sent.purpose, sent.status) == ("train.jsonl", len(rows(3)), "fine-tune",
                                                                      "processed")
    assert client.files.retrieve(sent.id) == sent
    assert client.files.content(sent.id).read() == rows(3)
    assert client.files.delete(sent.id).deleted
    with pytest.raises(openai.NotFoundError, match="there is no file"):
        client.files.retrieve(sent.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(sent.id)


def test_bytes_that_look_like_a_border_are_bytes(client):
    content = b"\r\n--" + b"x" * 40 + b"\r\n--\r\n\r\n--\r\n" + bytes(range(256)) * 5000 + b"\r\n"
    assert client.files.content(client.files.create(file=("a", content), purpose="fine-tune").id).read() == content


def test_one_content_of_two_files_stays_until_both_are_gone(client, place):
    one, two = (client.files.create(file=("same.jsonl", b"same\n"), purpose="fine-tune") for _ in range(2))
    assert one.id != two.id
    client.files.delete(one.id)
    assert client.files.content(two.id).read() == b"same\n"
    before = len(list((place / "files").iterdir()))
    client.files.delete(two.id)
    assert len(list((place / "files").iterdir())) == before - 1


def test_a_list_is_read_page_by_page_in_both_directions(client):
    sent = [client.files.create(file=(f"{n}.jsonl", b"%d\n" % n), purpose="fine-tune").id for n in range(5)]
    assert [file.id for file in client.files.list(limit=2)][:5] == sent[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")][-5:] == sent
    page = client.files.list(limit=2, after=sent[3])
    assert [file.id for file in page.data] == [sent[2], sent[1]] and page.has_more
    assert not client.files.list(purpose="fine-tune-results").data
    with pytest.raises(openai.BadRequestError, match="file-gone"):
        client.files.list(after="file-gone")
    with pytest.raises(openai.BadRequestError, match="limit"):
        client.files.list(limit=0)
    with pytest.raises(openai.BadRequestError, match="ordered"):
        client.files.list(extra_query={"ordered": "asc"})


@pytest.mark.parametrize("name", NAMES)
def test_a_name_from_outside_is_shown_and_never_a_path(client, place, name):
    before = everything(place)
    sent = client.files.create(file=(name, name.encode()), purpose="fine-tune")
    new = everything(place) - before
    assert len(new) == 1 and new.pop().startswith("jobs/files/")
    if name.isprintable() and not set(name) & set('"\\%'):
        assert sent.filename == name
    assert client.files.content(sent.id).read() == name.encode()


@pytest.mark.parametrize("id", ["..%2f..%2fjobs.sqlite", "%2e%2e", "jobs.sqlite", "file-" + "0" * 24, "x" * 3000,
                                "%00", "' OR 1=1 --"])
def test_an_id_from_outside_is_looked_up_and_never_opened(client, id):
    for asked_for in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises((openai.NotFoundError, openai.BadRequestError)):
            asked_for(id)


def test_what_is_wrong_with_a_form_is_told_by_its_field(client):
    def refused(**said) -> str:
        with pytest.raises(openai.BadRequestError) as caught:
            client.files.create(**{"file": ("a.jsonl", b"a"), "purpose": "fine-tune", **said})
        return f"{caught.value.param}: {caught.value.message}"

    assert "purpose: " in refused(purpose="vision")
    assert "`vision`" in refused(purpose="vision")
    assert "expires_after[anchor]: " in refused(expires_after={"anchor": "created_at", "seconds": 3600})
    assert "the file is empty" in refused(file=("a.jsonl", b""))
    assert "longer than 255" in refused(file=("a" * 256, b"a"))
    assert "shade: " in refused(extra_body={"shade": "red"})


def test_a_file_that_is_too_large_is_refused_while_it_comes_and_leaves_nothing(client, place, monkeypatch):
    monkeypatch.setattr(files, "FILE_BYTES", 1000)
    before = everything(place)
    with pytest.raises(openai.APIStatusError, match="larger than 1,000 bytes") as caught:
        client.files.create(file=("a", b"x" * 1001), purpose="fine-tune")
    assert caught.value.status_code == 413
    assert everything(place) == before
    assert client.files.create(file=("a", b"x" * 1000), purpose="fine-tune").bytes == 1000


def test_a_full_disk_is_told_and_leaves_nothing(client, place, monkeypatch):
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    before = everything(place)
    with monkeypatch.context() as patched:
        patched.setattr(contents.os, "write", full)
        with pytest.raises(openai.APIStatusError) as caught:
            client.files.create(file=("a", b"full"), purpose="fine-tune")
    assert caught.value.status_code == 507 and "no space" in caught.value.message
    assert str(place) not in caught.value.message
    assert everything(place) == before


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(client, place):
    before = everything(place)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                           b"Content-Length: 1000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; "
                           b"filename=\"x\"\r\n\r\nhalf")
    client.files.list()
    assert everything(place) == before


def test_a_content_that_is_gone_from_the_disk_is_told(client, place):
    sent = client.files.create(file=("a", b"to be lost"), purpose="fine-tune")
    (place / "files" / contents.hashlib.sha256(b"to be lost").hexdigest()).unlink()
    with pytest.raises(openai.InternalServerError, match="gone from the disk"):
        client.files.content(sent.id)


def test_what_a_killed_server_left_half_sent_is_gone_after_the_next_start(tmp_path):
    with service.opened(tmp_path / "jobs", []) as jobs:
        with contents.receiving(jobs.store.place, 100) as received:
            received.write(b"kept")
            kept = contents.keep(jobs.store, received, "kept", contents.FINE_TUNE)
        (jobs.store.place.incoming / "0123").write_bytes(b"half")
        (jobs.store.place.files / ("0" * 64)).write_bytes(b"of no file")
        (jobs.store.place.works / ("ftjob-" + "0" * 24)).mkdir()
    with service.opened(tmp_path / "jobs", []) as jobs:
        assert not list(jobs.store.place.incoming.iterdir())
        assert not list(jobs.store.place.works.iterdir())
        assert [path.name for path in jobs.store.place.files.iterdir()] == [kept.digest]


def test_a_second_server_on_one_folder_is_refused(tmp_path):
    folder = tmp_path / "jobs"
    with service.opened(folder, []), pytest.raises(Busy, match="the folder of jobs is in use by process"), \
            service.opened(folder, []):
        pytest.fail("two servers had one folder")
    with service.opened(tmp_path / "jobs", []):
        pass


def test_a_content_is_found_by_a_digest_only(tmp_path):
    for name in ["../jobs.sqlite", "a" * 63, "A" * 64, "a" * 64 + "\n"]:
        with pytest.raises(ValueError, match="no digest"):
            Place(tmp_path).content(name)
        with pytest.raises(ValueError, match="no job"):
            Place(tmp_path).work(name)


FORM = (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b\r\nContent-Disposition: '
        b'form-data; name="file"; filename="a b"\r\nContent-Type: text/plain\r\n\r\nrows\r\n\r\n--b--\r\nbehind')


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_a_form_reads_alike_in_pieces_of_any_size(size):
    form, found = Form('multipart/form-data; boundary="b"'), []
    for start in range(0, len(FORM), size):
        for event in form.feed(FORM[start:start + size]):
            if isinstance(event, Begun):
                found.append([event, b""])
            else:
                assert isinstance(event, Data)
                found[-1][1] += event.bytes
    form.close()
    assert found == [[Begun("purpose", None), b"fine-tune"], [Begun("file", "a b"), b"rows\r\n"]]


PART = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'


@pytest.mark.parametrize(("content", "why"), [
    (b"rows", "before its first part"), (b"", "before its last border"), (FORM[:-20], "before its last border"),
    (b"--b\r\nA: b\r\n\r\nx\r\n--b--", "no name"), (b"--b\r\n" + b"a" * 9000, "too long"),
    (PART * (PARTS + 1) + b"--b--", "more than 8 parts"), (b"--bx\r\n", "damaged"),
])
def test_what_is_no_form_is_refused(content, why):
    form = Form("multipart/form-data; boundary=b")
    with pytest.raises(Refused, match=why):
        for _ in form.feed(content):
            pass
        form.close()


@pytest.mark.parametrize("type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
                                  f"multipart/form-data; boundary={'b' * 71}"])
def test_what_says_it_is_no_form_is_refused(type):
    with pytest.raises(Refused, match="no `multipart/form-data`"):
        Form(type)
