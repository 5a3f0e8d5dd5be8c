"""Parquet files become the rows of a JSONL file of the same values, a few at a time; hostile ones end in a finding."""

from __future__ import annotations

import datetime
import decimal
import json
import random
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.load import load
from tunesmith.reading.read import rows
from tunesmith.records import Finding, Row

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


def read(folder, name="a.parquet"):
    return list(rows(name, base_folder=folder))


def values(found):
    return [one.values for one in found if isinstance(one, Row)]


def findings(found):
    return [(one.kind, one.where) for one in found if isinstance(one, Finding)]


def write(folder, table, name="a.parquet", **how):
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), folder / name, **how)


@settings(max_examples=20)
@given(st.lists(st.fixed_dictionaries({"prompt": TEXTS, "answer": st.none() | TEXTS, "count": st.integers(-9, 9)}),
                min_size=1, max_size=200), st.integers(1, 90))
def test_rows_are_those_of_the_same_values_as_json_lines(tmp_path_factory, made, size):
    folder = tmp_path_factory.mktemp("parquet")
    write(folder, pa.Table.from_pylist(made), row_group_size=size)
    (folder / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in made))
    ours, lines = (list(rows(name, base_folder=folder)) for name in ("a.parquet", "a.jsonl"))
    assert values(ours) == values(lines) == made
    assert [one.where for one in ours] == [f"a.parquet:{number}" for number in range(1, len(made) + 1)]


def test_chats_as_data_sets_on_the_hub_hold_them_become_conversations(tmp_path):
    talk = [{"role": "user", "content": "hi", "weight": None}, {"role": "assistant", "content": "ho", "weight": 0},
            {"role": "user", "content": "so?", "weight": None}, {"role": "assistant", "content": "yes", "weight": 1}]
    write(tmp_path, pa.Table.from_pylist([{"messages": talk, "source": "a"}] * 3))
    lines = [{"messages": [{k: v for k, v in turn.items() if v is not None} for turn in talk], "source": "a"}] * 3
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    ours, twin = (load(name, base_folder=tmp_path) for name in ("a.parquet", "a.jsonl"))
    assert ours.format == twin.format == "messages"
    assert [one.messages for one in ours.examples] == [one.messages for one in twin.examples]


def test_dates_and_decimals_are_text_bytes_are_left_out_and_nan_is_null_and_all_is_said(tmp_path):
    day = datetime.datetime(2026, 11, 21, 8, 30)
    write(tmp_path, {
        "when": pa.array([day], pa.timestamp("us")), "price": pa.array([decimal.Decimal("1.50")]),
        "score": pa.array([float("nan")]), "kind": pa.array(["a"]).dictionary_encode(),
        "image": pa.array([{"bytes": b"\x89PNG", "path": "a.png"}]), "binary": pa.array([{"binary": "text"}]),
    })
    found = read(tmp_path)
    assert values(found) == [{"when": "2026-11-21T08:30:00", "price": "1.50", "score": None, "kind": "a",
                              "binary": {"binary": "text"}}]
    told = {one.kind: one.what for one in found if isinstance(one, Finding)}
    assert "`image`" in told["data.bytes"] and "`score`" in told["data.nan_as_null"]
    assert "`when`, `price`" in told["data.read_as_text"]


def test_a_bad_row_is_named_and_those_around_it_are_read(tmp_path):
    bad = pa.array([b"fine", b"\xff\xfe", b"NUL \x00", b"fine too"]).view(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 4, bad.buffers())
    write(tmp_path, {"text": text})
    found = read(tmp_path)
    assert values(found) == [{"text": "fine"}, {"text": "fine too"}]
    assert findings(found) == [("data.encoding", "a.parquet:2"), ("data.nul", "a.parquet:3")]


def test_two_columns_of_one_name_are_refused(tmp_path):
    write(tmp_path, pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]))
    assert findings(read(tmp_path)) == [("data.doubled_column", "a.parquet:1")]


def test_a_file_much_larger_than_its_pieces_is_read_in_little_memory(tmp_path):
    schema = pa.schema({"text": pa.string()})
    with pq.ParquetWriter(tmp_path / "a.parquet", schema, use_dictionary=False, compression="none") as writer:
        for number in range(40):
            writer.write_table(pa.table({"text": [f"{number} " + "x" * 20_000] * 50}, schema), row_group_size=50)
    pa.default_memory_pool().release_unused()
    tracemalloc.start()
    before, most, count = pa.total_allocated_bytes(), 0, 0
    for _ in rows("a.parquet", base_folder=tmp_path):
        count += 1
        most = max(most, pa.total_allocated_bytes() - before)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2000
    assert most + python < 12e6 < (tmp_path / "a.parquet").stat().st_size


def test_damage_ends_in_a_finding_and_never_in_an_exception(tmp_path):
    write(tmp_path, {"prompt": [f"question {n}" for n in range(300)], "answer": ["yes"] * 300}, "whole.parquet",
          row_group_size=50)
    whole, draw = (tmp_path / "whole.parquet").read_bytes(), random.Random(0)
    for number in range(120):
        data = bytearray(whole)
        if number < 60:
            data = data[:draw.randrange(len(whole))]
        else:
            data[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        (tmp_path / "a.parquet").write_bytes(data)
        found = read(tmp_path)
        assert number >= 60 or findings(found), f"cut at {len(data)} of {len(whole)}, and nothing was said"


@pytest.mark.parametrize(("name", "content"), [
    ("a.parquet", b'{"text": "json"}\n'), ("a.parquet", b"PK\x03\x04 and more"), ("a.jsonl", b"PAR1 and more"),
    ("a.csv", b"PK\x03\x04 and more"), ("a.parquet.gz", b"\x1f\x8b and more"),
])
def test_a_file_under_a_wrong_name_is_told_by_its_first_bytes(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert findings(read(tmp_path, name)) == [("data.wrong_kind", f"{name}:1")]
