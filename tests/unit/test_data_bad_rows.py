"""No bad row brings the reader down: each is named by file and line, and the rows around it are read."""

from __future__ import annotations

import gzip
import json
import os
import random

import pytest

from tunesmith.data.load import load
from tunesmith.errors import SHOWN_IN_FULL

GOOD = b'{"prompt": "What is %d?", "answer": "A number."}'
ROWS = 30


def pair(prompt=b'"p"', answer=b'"a"'):
    return b'{"prompt": ' + prompt + b', "answer": ' + answer + b"}"


def turns(*spoken):
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in spoken]}).encode()


BAD_LINES = {
    "empty object": (b"{}", "data.missing_field"),
    "cut object": (b'{"prompt": "p", "answ', "data.json"),
    "no value": (b'{"prompt": , "answer": "a"}', "data.json"),
    "single quotes": (b"{'prompt': 'p', 'answer': 'a'}", "data.json"),
    "trailing comma": (b'{"prompt": "p", "answer": "a",}', "data.json"),
    "comment": (b'// {"prompt": "p", "answer": "a"}', "data.json"),
    "bare words": (b"what is this", "data.json"),
    "only a brace": (b"}", "data.json"),
    "two objects": (pair() + b" " + pair(), "data.json"),
    "control character": (pair(b'"a\x01b"'), "data.json"),
    "tab in a text": (pair(b'"a\tb"'), "data.json"),
    "carriage return in a text": (pair(b'"a\rb"'), "data.json"),
    "wrong escape": (pair(rb'"\x41"'), "data.json"),
    "short escape": (pair(rb'"\u12"'), "data.json"),
    "endless number": (b'{"prompt": "p", "answer": ' + b"1" * 5000 + b"}", "data.json"),
    "mark inside the file": (b"\xef\xbb\xbf" + pair(), "data.json"),
    "python's None": (pair(b"None"), "data.json"),
    "yaml": (b"prompt: p", "data.json"),
    "nul byte": (pair(b'"a\x00b"'), "data.nul"),
    "nul byte between rows": (b"\x00", "data.nul"),
    "nul escape": (pair(rb'"a\u0000b"'), "data.nul"),
    "nul escape in a key": (rb'{"prompt": "p", "answer": "a", "k\u0000": 1}', "data.nul"),
    "high surrogate": (pair(rb'"\ud83d!"'), "data.surrogate"),
    "low surrogate": (pair(rb'"\ude00"'), "data.surrogate"),
    "surrogate deep inside": (rb'{"prompt": "p", "answer": "a", "k": [{"x": "\uDC9F"}]}', "data.surrogate"),
    "surrogate as bytes": (pair(b'"\xed\xa0\x80"'), "data.encoding"),
    "latin 1": (pair('"müde"'.encode("latin-1")), "data.encoding"),
    "windows 1254": (pair('"ığşİ"'.encode("cp1254")), "data.encoding"),
    "overlong utf-8": (pair(b'"\xc0\xaf"'), "data.encoding"),
    "cut utf-8": (pair(b'"\xe2\x82"'), "data.encoding"),
    "doubled key": (b'{"prompt": "p", "answer": "a", "answer": "b"}', "data.doubled_key"),
    "doubled key inside": (b'{"prompt": "p", "answer": "a", "k": {"x": 1, "x": 2}}', "data.doubled_key"),
    "array": (b'["p", "a"]', "data.not_object"),
    "text": (b'"p"', "data.not_object"),
    "number": (b"17", "data.not_object"),
    "null": (b"null", "data.not_object"),
    "true": (b"true", "data.not_object"),
    "nan": (b'{"prompt": "p", "answer": "a", "k": NaN}', "data.not_a_number"),
    "infinity": (b'{"prompt": "p", "answer": "a", "k": [-Infinity]}', "data.not_a_number"),
    "nested 100 deep": (pair(b"[" * 100 + b"]" * 100), "data.too_deep"),
    "nested 900 deep": (pair(b"[" * 900 + b"]" * 900), "data.too_deep"),
    "nested 10,000 deep": (pair(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "data.too_deep"),
    "10 MB": (pair(b'"' + b"x" * 10_000_000 + b'"'), "data.row_too_large"),
    "missing answer": (b'{"prompt": "p"}', "data.missing_field"),
    "missing prompt": (b'{"answer": "a"}', "data.missing_field"),
    "misspelt": (b'{"promt": "p", "answer": "a"}', "data.missing_field"),
    "answer null": (pair(answer=b"null"), "data.missing_field"),
    "answer empty": (pair(answer=b'""'), "data.empty_field"),
    "answer blank": (pair(answer=rb'" \n\u00a0 "'), "data.empty_field"),
    "prompt empty": (pair(b'""'), "data.empty_field"),
    "answer a number": (pair(answer=b"42"), "data.wrong_type"),
    "answer a list": (pair(answer=b'["a"]'), "data.wrong_type"),
    "answer an object": (pair(answer=b'{"text": "a"}'), "data.wrong_type"),
    "prompt true": (pair(b"true"), "data.wrong_type"),
    "another format": (turns(("user", "u"), ("assistant", "a")), "data.mixed"),
    "two prompts": (b'{"question": "q", "input": "i", "output": "o"}', "data.ambiguous"),
    "context": (b'{"prompt": "p", "answer": "a", "context": "c"}', "data.context"),
}


def file_with(bad, at):
    lines = [GOOD % number for number in range(ROWS)]
    lines[at] = bad
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_anywhere_is_named_and_costs_itself_only(tmp_path, name):
    bad, kind = BAD_LINES[name]
    for at in sorted({0, random.Random(name).randrange(1, ROWS - 1), ROWS - 1}):
        if name == "mark inside the file" and at == 0:
            continue  # there it is a byte order mark
        (tmp_path / "bad.jsonl").write_bytes(file_with(bad, at))
        loaded = load("bad.jsonl", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        assert {(found.kind, found.where) for found in errors} == {(kind, f"bad.jsonl:{at + 1}")}
        assert errors[0].what and errors[0].remedy and "?" not in errors[0].remedy
        assert len(loaded.examples) == ROWS - (kind != "data.context")


BAD_CELLS = {
    "too few cells": (b"p", "data.cells"),
    "too many cells": (b"p,a,b", "data.cells"),
    "open quote": (b'"p,a', "data.csv"),
    "quote in the middle": (b'"p"x,a', "data.csv"),
    "lonely carriage return": (b"p\rq,a", "data.csv"),
    "nul": (b"p\x00,a", "data.nul"),
    "latin 1": ("müde,a".encode("latin-1"), "data.encoding"),
    "empty answer": (b"p,", "data.empty_field"),
    "blank prompt": (b"  ,a", "data.empty_field"),
    "10 MB": (b"p," + b"x" * 10_000_000, "data.row_too_large"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_a_bad_row_of_a_table_is_named_and_costs_itself_only(tmp_path, name):
    bad, kind = BAD_CELLS[name]
    for at in (1, 14, ROWS):
        lines = [b"prompt,answer", *(b'question %d,"an\nswer"' % number for number in range(ROWS))]
        lines[at] = bad
        (tmp_path / "bad.csv").write_bytes(b"\n".join(lines))
        loaded = load("bad.csv", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        own = [(found.kind, found.where) for found in errors]
        assert own[0] == (kind, f"bad.csv:{1 + 2 * (at - 1) + 1}")
        if name != "open quote":  # it swallows what stands before the next quote, and that is told as well
            assert len(own) == 1 and len(loaded.examples) == ROWS - 1


@pytest.mark.parametrize("name", [name for name in BAD_LINES if name != "two objects"])
def test_a_bad_element_of_an_array_is_named_and_costs_itself_only(tmp_path, name):
    bad, kind = BAD_LINES[name]
    for at in (0, 14, ROWS - 1):
        elements = [GOOD % number for number in range(ROWS)]
        elements[at] = bad
        (tmp_path / "bad.json").write_bytes(b"[\n" + b",\n".join(elements) + b"\n]\n")
        loaded = load("bad.json", base_folder=tmp_path)
        errors = [found for found in loaded.findings if found.severity == "error"]
        assert {(found.kind, found.where) for found in errors} == {(kind, f"bad.json:{at + 2}")}
        assert len(loaded.examples) == ROWS - (kind != "data.context")


WHOLE = b"\n".join(GOOD % number for number in range(2000))
BAD_FILES = {
    "empty.jsonl": (b"", "data.empty", 1),
    "blank.jsonl": (b"\n \n\n", "data.empty", 1),
    "empty.json": (b"", "data.empty", 1),
    "empty-array.json": (b"[]", "data.empty", 1),
    "empty.csv": (b"", "data.empty", 1),
    "header-only.csv": (b"prompt,answer\n", "data.empty", 1),
    "empty.tsv": (b"", "data.empty", 1),
    "empty.txt": (b"\n\n", "data.empty", 1),
    "empty.jsonl.gz": (gzip.compress(b""), "data.empty", 1),
    "little-endian.jsonl": (WHOLE.decode().encode("utf-16"), "data.encoding", 1),
    "big-endian.csv": ("prompt,answer\np,a\n".encode("utf-16-be"), "data.encoding", 1),
    "unmarked.json": ('[{"prompt": "p", "answer": "a"}]'.encode("utf-16-le"), "data.encoding", 1),
    "utf-16.txt": ("nəsə".encode("utf-16"), "data.encoding", 1),
    "cut.jsonl.gz": (gzip.compress(WHOLE)[:-200], "data.cut_short", None),
    "damaged.csv.gz": (gzip.compress(WHOLE)[:50] + bytes(200), "data.cut_short", None),
    "only-the-mark.jsonl.gz": (b"\x1f\x8b", "data.cut_short", 1),
    "cut.json.gz": (gzip.compress(b'[{"prompt": "p", "answer": "a"}]')[:-4], "data.cut_short", None),
    "doubled.csv": (b"prompt,answer,answer\np,a,b\n", "data.doubled_column", 1),
    "nul.txt": (b"one\n\ntwo\x00\n", "data.nul", 3),
    "latin.txt": ("one\n\nmüde\n".encode("latin-1"), "data.encoding", 3),
    "picture.jsonl": (bytes(range(256)) * 4, "data.encoding", None),
}


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
