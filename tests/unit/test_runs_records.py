"""Records grow a whole line at a time and are cut back to a checkpoint."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from disk import DIED, Fault, Recorder, in_child
from tunesmith.errors import Failure, Refusal
from tunesmith.runs import records
from tunesmith.runs.records import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


def filled(path: Path, count: int) -> list[int]:
    """The length after each of `count` records."""
    with Journal(path) as journal:
        lengths = []
        for step in range(count):
            journal.append({"kind": "step", "step": step, "loss": 1 / (step + 1)})
            lengths.append(journal.bytes)
    return lengths


def test_what_was_appended_reads_back_in_order(path: Path) -> None:
    filled(path, 3)
    filled(path, 2)
    assert [record["step"] for record in records.read(path)] == [0, 1, 2, 0, 1]
    assert list(records.read(path))[1] == {"kind": "step", "step": 1, "loss": 0.5}


def test_a_file_that_was_never_written_has_no_records(path: Path) -> None:
    assert list(records.read(path)) == records.tail(path) == []
    assert records.torn(path) is None
    records.cut(path, 0)


def test_each_record_is_one_write_of_one_whole_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: written.append(bytes(data)) or real(descriptor, data))
    filled(path, 2)
    assert written == [b'{"kind": "step", "step": 0, "loss": 1.0}\n', b'{"kind": "step", "step": 1, "loss": 0.5}\n']


def test_a_loss_that_is_no_number_is_null(path: Path) -> None:
    with Journal(path) as journal:
        journal.append({"loss": math.nan})
    assert list(records.read(path)) == [{"loss": None}]


@settings(max_examples=40, deadline=None)
@given(count=some.integers(0, 8), data=some.data())
def test_a_file_cut_back_and_gone_on_with_is_that_of_a_run_without_a_break(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: some.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("records")
    lengths = [0, *filled(folder / "whole", 8)]
    filled(folder / "broken", count)
    back = data.draw(some.integers(0, count))
    with (folder / "broken").open("ab") as file:
        file.write(data.draw(some.sampled_from([b"", b'{"kind": "st', b'{"step": 9}\n{'])))
    records.cut(folder / "broken", lengths[back])
    with Journal(folder / "broken") as journal:
        for step in range(back, 8):
            journal.append({"kind": "step", "step": step, "loss": 1 / (step + 1)})
    assert (folder / "broken").read_bytes() == (folder / "whole").read_bytes()


def test_records_shorter_than_the_checkpoint_says_are_refused(path: Path) -> None:
    lengths = filled(path, 2)
    with pytest.raises(Refusal, match="the checkpoint was saved with") as raised:
        records.cut(path, lengths[-1] + 1)
    assert raised.value.kind == "runs.records_short"
    assert path.stat().st_size == lengths[-1]


def test_records_in_which_no_line_ends_where_the_checkpoint_says_are_refused(path: Path) -> None:
    lengths = filled(path, 2)
    with pytest.raises(Refusal, match="no line of"):
        records.cut(path, lengths[0] + 3)
    assert path.stat().st_size == lengths[-1]


def test_a_torn_last_line_is_passed_over_and_named(path: Path) -> None:
    filled(path, 2)
    with path.open("ab") as file:
        file.write(b'{"kind": "step", "st')
    assert len(list(records.read(path))) == len(records.tail(path)) == 2
    found = records.torn(path)
    assert found is not None
    assert (found.severity, found.where) == ("warning", str(path))
    assert "20 bytes" in found.what


def test_a_torn_last_line_is_cut_off_before_anything_is_added(path: Path) -> None:
    filled(path, 1)
    with path.open("ab") as file:
        file.write(b'{"half"')
    with Journal(path) as journal:
        assert [finding.kind for finding in journal.findings] == ["runs.torn_line"]
        journal.append({"step": 7})
    assert [record["step"] for record in records.read(path)] == [0, 7]


@pytest.mark.parametrize("line", [b"{broken}\n", b"[1]\n", b"\xff\n", b"\n"])
def test_a_damaged_whole_line_is_refused_with_its_number(path: Path, line: bytes) -> None:
    filled(path, 2)
    path.write_bytes(path.read_bytes() + line + b"{}\n")
    with pytest.raises(Refusal) as raised:
        list(records.read(path))
    assert raised.value.where == f"{path}:3"
    assert len(records.tail(path)) == 3


def test_the_tail_of_a_long_file_is_its_last_records(path: Path) -> None:
    path.write_bytes(b"".join(b'{"step": %d}\n' % step for step in range(20_000)))
    tail = records.tail(path)
    assert tail == list(records.read(path))[-len(tail):]
    assert 1000 < len(tail) < 20_000


@pytest.mark.parametrize("what", [errno.ENOSPC, errno.EIO, "half"])
def test_a_line_that_cannot_be_written_leaves_no_half_of_itself(path: Path, what: int | str) -> None:
    with Journal(path) as journal:
        journal.append({"step": 1})
        with pytest.raises(Failure), Fault(1, what, ("write",)).armed():
            journal.append({"step": 2})
        journal.append({"step": 3})
    assert [record["step"] for record in records.read(path)] == [1, 3]


def test_a_process_killed_in_the_middle_of_a_line_leaves_the_others(path: Path) -> None:
    def work() -> None:
        with Fault(2, "half kill", ("write",)).armed():
            filled(path, 3)

    assert in_child(work)[0] == DIED
    assert [record["step"] for record in records.read(path)] == [0]
    assert records.torn(path) is not None


def test_a_journal_that_the_disk_did_not_confirm_takes_no_more(path: Path) -> None:
    with Journal(path) as journal:
        journal.append({"step": 1})
        fault = Fault(1, errno.EIO, ("fsync",))
        with fault.armed():
            with pytest.raises(Failure, match="did not confirm"):
                _ = journal.bytes
            with pytest.raises(Failure, match="is closed"):
                _ = journal.bytes
            with pytest.raises(Failure, match="is closed"):
                journal.append({"step": 2})
        assert fault.synced_again == 0


def test_what_bytes_counted_outlasts_a_power_cut(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    recorder = Recorder(root)
    marks = []
    with recorder.recording(), Journal(root / "records.jsonl") as journal:
        for step in range(3):
            journal.append({"step": step})
            marks.append((journal.bytes, len(recorder.operations)))
        journal.append({"step": 3})
    for at in range(len(recorder.operations) + 1):
        promised = max((length for length, operations in marks if operations <= at), default=0)
        for number, disk in enumerate(recorder.states(at, seed=0)):
            left = tmp_path / f"left-{at}-{number}"
            disk.build(left)
            if promised:
                records.cut(left / "records.jsonl", promised)
                assert [record["step"] for record in records.read(left / "records.jsonl")] == list(
                    range([length for length, _ in marks].index(promised) + 1))
