"""Run folders are named so that none is shared, and tell from their files how far the run came."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from disk import finished, start
from tunesmith.errors import Failure, Misuse
from tunesmith.runs import durable, folder
from tunesmith.runs.records import Journal


def made(parent: Path, name: str = "orders") -> folder.Run:
    run = folder.create(parent, name)
    run.recipe_file.write_text("task: chat\n")
    return run


def test_a_run_folder_carries_date_and_name(tmp_path: Path) -> None:
    run = folder.create(tmp_path / "a" / "runs", "support bot")
    assert run.path.parent == tmp_path / "a" / "runs"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-support-bot-[0-9a-f]{4}", run.name)


@pytest.mark.parametrize(("name", "kept"), [
    ("../../etc/passwd", "etc-passwd"), ("", "run"), ("...", "run"), ("a\0b\nc", "a-b-c"), ("Sifariş", "Sifariş"),
    ("x" * 300, "x" * 40), ("ə" * 300, "ə" * 40),
])
def test_any_name_becomes_one_plain_folder(tmp_path: Path, name: str, kept: str) -> None:
    run = folder.create(tmp_path, name)
    assert run.path.parent == tmp_path
    assert run.name[11:-5] == kept


def test_a_name_that_is_taken_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(folder.secrets, "token_hex", lambda count: next(draws))
    assert [folder.create(tmp_path, "a").name[-4:] for _ in range(2)] == ["aaaa", "bbbb"]


def test_processes_that_create_at_once_never_share_a_folder(tmp_path: Path) -> None:
    def work() -> str:
        return " ".join(folder.create(tmp_path / "runs", "a").name for _ in range(20))

    children = [start(work) for _ in range(8)]
    said = [finished(*child) for child in children]
    assert [code for code, _ in said] == [0] * 8
    names = " ".join(text for _, text in said).split()
    assert len(set(names)) == len(names) == 160


def test_a_clock_set_back_makes_a_new_folder_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Past(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(1999, 1, 2, tzinfo=tz)

    made(tmp_path)
    monkeypatch.setattr(folder, "datetime", Past)
    run = made(tmp_path)
    assert run.name.startswith("1999-01-0")
    assert len(folder.list_runs(tmp_path)) == 2


def test_a_file_in_the_place_of_the_parent_is_a_misuse(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(Misuse, match="a file is in the way"):
        folder.create(tmp_path / "runs", "a")


def test_a_parent_that_may_not_be_written_is_a_clear_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder.Path, "mkdir", refuse)
    with pytest.raises(Failure) as raised:
        folder.create(tmp_path, "a")
    assert raised.value.kind == "runs.read_only"


def test_a_run_opens_by_its_folder(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert folder.open_run(run.path) == run


@pytest.mark.parametrize("what", ["missing", "file", "parent", "empty"])
def test_what_is_no_run_is_a_misuse_that_names_a_run_nearby(tmp_path: Path, what: str) -> None:
    run = made(tmp_path / "runs")
    path = {"missing": run.path.parent / "nothing", "file": run.path.parent / "x", "parent": run.path.parent,
            "empty": run.path.parent / "empty"}[what]
    if what == "file":
        path.write_text("")
    if what == "empty":
        path.mkdir()
    with pytest.raises(Misuse) as raised:
        folder.open_run(path)
    assert raised.value.kind == "runs.not_a_run"
    assert str(run.path) in raised.value.remedy


def test_only_runs_are_listed_by_name(tmp_path: Path) -> None:
    assert folder.list_runs(tmp_path / "none") == ()
    (tmp_path / "2026-01-01-b-0000").mkdir()
    (tmp_path / "notes.txt").write_text("")
    runs = [made(tmp_path) for _ in range(3)]
    assert folder.list_runs(tmp_path) == tuple(sorted(runs, key=lambda run: run.name))


def test_a_new_run_has_no_steps(tmp_path: Path) -> None:
    assert folder.status(made(tmp_path)) == folder.Status(0, False, None)


def test_a_run_is_finished_when_its_records_say_done(tmp_path: Path) -> None:
    run = made(tmp_path)
    with Journal(run.records_file) as journal:
        journal.append({"kind": "step", "step": 7, "loss": 1.0})
        journal.append({"kind": "evaluation", "loss": 1.0})
    durable.write_json(run.verdict_file, {"verdict": "better"})
    assert folder.status(run) == folder.Status(7, False, "better")
    with Journal(run.records_file) as journal:
        journal.append({"kind": "done", "step": 7})
    assert folder.status(run) == folder.Status(7, True, "better")


def test_damaged_files_of_one_run_do_not_stop_a_list(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.records_file.write_bytes(b'{"kind": "step", "step": 3}\nbroken\n{"step": tr')
    run.verdict_file.write_bytes(b"{")
    assert folder.status(run) == folder.Status(3, False, None)
