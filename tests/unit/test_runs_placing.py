"""A folder takes another's name whole, in one moment where the system can, and what a kill left is mended."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from disk import DIED, Fault, in_child
from tunesmith.errors import Failure, Misuse
from tunesmith.runs import durable, placing

MOST_CALLS = 100


@pytest.fixture(params=["exchanged", "in two renames"])
def way(request, monkeypatch) -> str:
    """Both ways in which an old folder is replaced."""
    if request.param != "exchanged":
        monkeypatch.setattr(placing, "SWAPPING", "no_such_function")
    return request.param


def write(target: Path, text: str) -> None:
    with placing.staged(target) as staging:
        (staging / "a.txt").write_text(text)
        assert placing.settle(staging)["a.txt"]["bytes"] == len(text)
        placing.put(staging, target)


def test_the_new_folder_stands_and_nothing_else(way, tmp_path):
    write(tmp_path / "out", "old")
    write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def both(target: Path, text: str) -> None:
    """Two files and the report, as an export has them."""
    with placing.staged(target) as staging:
        (staging / "a.txt").write_text(text)
        (staging / "b.txt").write_text(text)
        placing.settle(staging)
        durable.write_new(staging / "mark.json", text.encode())
        durable.sync_folder(staging)
        placing.put(staging, target)


def told(folder: Path) -> set[str]:
    """What its three files say, where it has just these."""
    assert sorted(file.name for file in folder.iterdir()) == ["a.txt", "b.txt", "mark.json"]
    return {file.read_text() for file in folder.iterdir()}


def test_killed_at_any_call_the_old_folder_or_the_new_one_stands_whole(way, tmp_path):
    ends = set()
    for at in range(1, MOST_CALLS):
        out, fault = tmp_path / str(at) / "out", Fault(at, "kill")
        both(out, "old")

        def work(out: Path = out, fault: Fault = fault) -> bool:
            with fault.armed():
                both(out, "new")
            return fault.met

        code, said = in_child(work)
        placing.clean(out)
        [found] = told(out)
        ends.add(found)
        assert [path.name for path in out.parent.iterdir()] == ["out"]
        if (code, said) == (0, "False"):
            assert ends == {"old", "new"} and at > 10
            return
        assert code == DIED
    pytest.fail("it never ran through")


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_an_error_of_any_call_leaves_the_old_folder_whole_or_has_put_the_new_one(way, tmp_path, error):
    failed = 0
    for at in range(1, MOST_CALLS):
        out, fault = tmp_path / str(at) / "out", Fault(at, error)
        both(out, "old")
        expected = {"new"}
        try:
            with fault.armed():
                both(out, "new")
        except (Failure, OSError) as failure:
            failed += 1
            expected = {"new"} if isinstance(failure, Failure) and failure.kind == durable.UNCERTAIN else {"old"}
        assert told(out) == expected, at
        placing.clean(out)
        assert [path.name for path in out.parent.iterdir()] == ["out"]
        if not fault.met:
            assert failed >= 8
            return
    pytest.fail("it never ran through")


def test_what_fails_on_the_way_leaves_the_old_folder(way, tmp_path, monkeypatch):
    write(tmp_path / "out", "old")
    rename, calls = Path.rename, []

    def second_fails(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    if way == "exchanged":
        monkeypatch.setattr(placing, "_exchanged", lambda one, other: False)
    with pytest.raises(Failure):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_exception_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), placing.staged(tmp_path / "out") as staging:
        (staging / "a.txt").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_kill_between_two_renames_left_is_put_back(tmp_path):
    (tmp_path / ".out.removed-0001").mkdir()
    (tmp_path / ".out.removed-0001" / "a.txt").write_text("old")
    (tmp_path / ".out.staging-0002").mkdir()
    placing.clean(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_not_ours_is_refused_and_an_empty_folder_is_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    placing.refuse_foreign(tmp_path / "empty", "mark.json")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for foreign in ("file", "link"):
        with pytest.raises(Misuse, match="is not overwritten"):
            placing.refuse_foreign(tmp_path / foreign, "mark.json")
    write(tmp_path / "empty", "now full")
    assert (tmp_path / "empty" / "a.txt").read_text() == "now full"


def test_a_disk_that_does_not_confirm_says_so(tmp_path, monkeypatch):
    def fail(descriptor, path):
        raise Failure(durable.FSYNC_FAILED, "the disk did not confirm it")

    with placing.staged(tmp_path / "out") as staging:
        (staging / "a.txt").write_text("x")
        monkeypatch.setattr(durable, "sync", fail)
        with pytest.raises(Failure, match="did not confirm"):
            placing.settle(staging)
    assert not (tmp_path / "out").exists()
