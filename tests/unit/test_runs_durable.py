"""Files are whole or absent, and JSON is the same bytes for the same value."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from disk import Fault
from tunesmith.errors import Failure, Misuse, Refusal
from tunesmith.runs import durable, plain

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES)
def test_json_reads_back_as_it_was(value: object) -> None:
    assert plain.parse(plain.line(value)) == value
    assert plain.parse(plain.pretty(value)) == value
    assert plain.line(value).count(b"\n") == 1


@settings(deadline=None)
@given(some.dictionaries(some.text(), some.integers(), min_size=2))
def test_the_order_in_which_facts_are_gathered_does_not_change_the_bytes(facts: dict[str, int]) -> None:
    assert plain.line(facts) == plain.line(dict(reversed(facts.items())))


def test_a_record_begins_with_its_kind_and_step() -> None:
    assert plain.line({"loss": 0.1, "step": 3, "also": {}, "kind": "step"}) == (
        b'{"kind": "step", "step": 3, "also": {}, "loss": 0.1}\n')


def test_numbers_that_json_lacks_are_null() -> None:
    assert json.loads(plain.line({"a": [math.nan, math.inf, 1.5], "b": (-math.inf,)})) == {
        "a": [None, None, 1.5], "b": [None]}


def test_letters_of_every_language_stand_as_they_are_and_half_a_surrogate_pair_survives() -> None:
    assert "Şəki".encode() in plain.line({"a": "Şəki"})
    assert plain.parse(plain.line({"a": "x\ud83d"})) == {"a": "x\ud83d"}


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1}}, b"x", object()])
def test_what_is_no_json_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        plain.line(value)


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000])
def test_broken_json_is_refused_with_its_file(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.json").write_bytes(raw)
    with pytest.raises(Refusal) as raised:
        durable.read_json(tmp_path / "a.json")
    assert raised.value.where == str(tmp_path / "a.json")


def test_a_missing_file_is_a_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"`a\.json` cannot be read"):
        durable.read_json(tmp_path / "a.json")


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        durable.write_file(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_write_that_fails_at_any_call_leaves_the_old_content_or_the_new(tmp_path: Path, error: int) -> None:
    path = tmp_path / "a.json"
    for at in range(1, 50):
        path.write_bytes(b"old")
        fault = Fault(at, error, ("open", "write", "fsync", "rename", "replace"))
        uncertain = False
        try:
            with fault.armed():
                durable.write_file(path, b"new content")
            expected = b"new content"
        except Failure as failure:
            uncertain = failure.kind == "runs.uncertain"
            expected = b"new content" if uncertain else b"old"
        assert path.read_bytes() == expected
        assert [found.name for found in tmp_path.iterdir()] == ["a.json"]
        if not fault.met:
            return
    pytest.fail("the write never ran through")


@pytest.mark.parametrize(("error", "kind", "said"), [
    (errno.ENOSPC, "runs.no_space", "bytes are free"),
    (errno.EDQUOT, "runs.no_space", "bytes are free"),
    (errno.EFBIG, "runs.no_space", "larger than a file may be"),
    (errno.EROFS, "runs.read_only", "may not be written"),
    (errno.EACCES, "runs.read_only", "may not be written"),
    (errno.EIO, "runs.not_written", "was not written"),
])
def test_each_error_of_a_disk_is_told_in_words_with_a_remedy(
    tmp_path: Path, error: int, kind: str, said: str
) -> None:
    with pytest.raises(Failure) as raised, Fault(1, error, ("write",)).armed():
        durable.write_file(tmp_path / "a", b"x" * 100)
    assert (raised.value.kind, raised.value.where) == (kind, str(tmp_path / "a"))
    assert said in raised.value.what
    assert raised.value.remedy


def test_a_full_disk_names_the_missing_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "free_bytes", lambda path: 400)
    failure = durable.problem(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "a", 5000)
    assert "5,000 bytes are needed, 4,600 are missing, 400 bytes are free" in failure.what


def test_a_file_in_the_way_of_a_folder_is_a_misuse(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(Misuse, match="a file is in the way"):
        durable.make_folder(tmp_path / "a" / "b")
