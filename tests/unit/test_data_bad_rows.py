"""No bad row brings the reader down: each is named by file and line, and the rows around it are read."""

from __future__ import annotations

import gzip
import json
import os
import random

import pytest

from bad_rows import BAD_CELLS, BAD_FILES, BAD_LINES, GOOD, ROWS, WHOLE, file_with
from tunesmith.data.load import load
from tunesmith.errors import SHOWN_IN_FULL


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("places", [3, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_anywhere_is_named_and_costs_itself_only(tmp_path, name, places, record_property):
    bad, kind = BAD_LINES[name]
    record_property("tried", places)
    for at in [0, *random.Random(name).sample(range(1, ROWS - 1), places - 2), ROWS - 1]:
        if name == "mark inside the file" and at == 0:
            continue  # there it is a byte order mark
        (tmp_path / "bad.jsonl").write_bytes(file_with(bad, at))
        loaded = load("bad.jsonl", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        assert {(found.kind, found.where) for found in errors} == {(kind, f"bad.jsonl:{at + 1}")}
        assert errors[0].what and errors[0].remedy and "?" not in errors[0].remedy
        assert len(loaded.examples) == ROWS - (kind != "data.context")


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("places", [3, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_row_of_a_table_is_named_and_costs_itself_only(tmp_path, name, places, record_property):
    bad, kind = BAD_CELLS[name]
    record_property("tried", places)
    for at in [1, *random.Random(name).sample(range(2, ROWS), places - 2), ROWS]:
        lines = [b"prompt,answer", *(b'question %d,"an\nswer"' % number for number in range(ROWS))]
        lines[at] = bad
        (tmp_path / "bad.csv").write_bytes(b"\n".join(lines))
        loaded = load("bad.csv", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        own = [(found.kind, found.where) for found in errors]
        assert own[0] == (kind, f"bad.csv:{1 + 2 * (at - 1) + 1}")
        if name != "open quote":  # it swallows what stands before the next quote, and that is told as well
            assert len(own) == 1 and len(loaded.examples) == ROWS - 1


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("places", [3, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", [name for name in BAD_LINES if name != "two objects"])
def test_a_bad_element_of_an_array_is_named_and_costs_itself_only(tmp_path, name, places, record_property):
    bad, kind = BAD_LINES[name]
    record_property("tried", places)
    for at in [0, *random.Random(name).sample(range(1, ROWS - 1), places - 2), ROWS - 1]:
        elements = [GOOD % number for number in range(ROWS)]
        elements[at] = bad
        (tmp_path / "bad.json").write_bytes(b"[\n" + b",\n".join(elements) + b"\n]\n")
        loaded = load("bad.json", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        assert {(found.kind, found.where) for found in errors} == {(kind, f"bad.json:{at + 2}")}
        assert len(loaded.examples) == ROWS - (kind != "data.context")


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_a_line_and_a_remedy(tmp_path, name):
    data, kind, line = BAD_FILES[name]
    (tmp_path / name).write_bytes(data)
    errors = [found for found in load(name, base_folder=tmp_path).findings if found.severity == "error"]
    assert kind in [found.kind for found in errors]
    for found in errors:
        file, number = found.where.rsplit(":", 1)
        assert file == name and int(number) >= 1 and found.remedy
    if line is not None:
        assert errors[0].where == f"{name}:{line}"


def test_rows_before_a_cut_in_a_gz_file_are_read(tmp_path):
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(WHOLE)[:-200])
    loaded = load("cut.jsonl.gz", base_folder=tmp_path)
    (error,) = [found for found in loaded.findings if found.kind == "data.cut_short"]
    assert 100 < len(loaded.examples) < 2000
    assert int(error.where.rsplit(":", 1)[1]) in (len(loaded.examples) + 1, len(loaded.examples) + 2)


@pytest.mark.fault("bad rows")
def test_random_damage_never_brings_the_reader_down(tmp_path):
    chance = random.Random(8)
    table = b'prompt,answer\n"one, two","three ""four"""\nfive,"six\nseven"\n' * 3
    array = json.dumps([{"prompt": f"p{n}", "answer": {"a": ["b", 1.5, None]}} for n in range(6)], indent=1).encode()
    for name, good in (("a.jsonl", WHOLE[:600]), ("a.json", array), ("a.csv", table), ("a.tsv", table),
                       ("a.txt", b"one\n\ntwo\n"), ("a.jsonl.gz", gzip.compress(WHOLE[:600]))):
        for _ in range(60):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(data))
                data[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            (tmp_path / name).write_bytes(bytes(data))
            loaded = load(name, base_folder=tmp_path)
            assert all(found.where for found in loaded.findings)


def test_of_many_bad_rows_the_first_twenty_come_in_full_and_the_rest_counted(tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b"\n".join([GOOD % 1, *[b"oops"] * 500]))
    errors = [found for found in load("bad.jsonl", base_folder=tmp_path).findings if found.severity == "error"]
    assert [found.where for found in errors[:SHOWN_IN_FULL]] == [f"bad.jsonl:{line}" for line in range(2, 22)]
    assert [found.what for found in errors[SHOWN_IN_FULL:]] == ["and 480 more of this kind"]


def test_many_kinds_of_mistakes_come_at_once(tmp_path):
    lines = [bad for bad, kind in BAD_LINES.values() if len(bad) < 1000]
    (tmp_path / "bad.jsonl").write_bytes(b"\n".join([*[GOOD % 1] * 100, *lines]))
    found = {one.kind for one in load("bad.jsonl", base_folder=tmp_path).findings}
    assert found >= {kind for bad, kind in BAD_LINES.values() if len(bad) < 1000}


def test_a_pipe_in_the_place_of_a_file_does_not_make_the_reader_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(Exception, match="not a regular file"):
        load("pipe.jsonl", base_folder=tmp_path)
