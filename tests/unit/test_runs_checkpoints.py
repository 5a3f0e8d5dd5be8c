"""What a checkpoint holds, which of them stay, and that none leads outside its folder."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import numpy as tensors

from tunesmith.errors import Failure, Misuse, Refusal
from tunesmith.runs import checkpoints, durable, manifest, plain
from tunesmith.runs.checkpoints import Checkpoint
from tunesmith.runs.folder import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def writer(text: str) -> Callable[[Path], None]:
    return lambda folder: durable.write_json(folder / "state.json", {"text": text})


def save(
    run: Run, step: int, *, text: str = "", keep: int = 9, best: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Checkpoint:
    return checkpoints.save(run, step, writer(text or str(step)), facts=facts or {}, keep=keep, best=best)


def steps(run: Run) -> list[int]:
    return [found.step for found in checkpoints.verified(run)]


def reseal(folder: Path, content: dict[str, Any]) -> None:
    content["digest"] = manifest.UNSIGNED
    content["digest"] = hashlib.sha256(plain.pretty(content)).hexdigest()
    (folder / "manifest.json").write_bytes(plain.pretty(content))


def test_a_checkpoint_reads_back_with_its_facts(run: Run) -> None:
    saved = save(run, 120, facts={"position": {"epoch": 1, "row": 7}, "records_bytes": 99, "score": math.nan})
    assert saved.folder == run.path / "checkpoints" / "step-00000120"
    assert saved.facts == {"position": {"epoch": 1, "row": 7}, "records_bytes": 99, "score": None}
    assert checkpoints.newest(run) == (saved, [])
    assert checkpoints.load(run, 120) == saved


def test_a_run_without_checkpoints_has_no_newest(run: Run) -> None:
    assert checkpoints.newest(run) == (None, [])


def test_the_newest_is_that_of_the_highest_step_whatever_the_clock_said(run: Run) -> None:
    for age, step in enumerate([9, 10, 100_000_000, 99_999_999]):
        folder = save(run, step).folder
        os.utime(folder, (2e9 - age * 1e8, 2e9 - age * 1e8))
    assert steps(run) == [100_000_000, 99_999_999, 10, 9]
    assert checkpoints.newest(run)[0] == checkpoints.load(run, 100_000_000)


def test_retention_keeps_the_newest_and_the_best(run: Run) -> None:
    for step in range(1, 7):
        save(run, step, keep=2, best=2 if step >= 2 else None)
    assert steps(run) == [6, 5, 2]
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "step-00000002", "step-00000005", "step-00000006"]


def test_retention_of_none_still_keeps_what_was_just_saved(run: Run) -> None:
    save(run, 1, keep=0)
    save(run, 2, keep=0)
    assert steps(run) == [2]


def test_a_save_below_an_unusable_newer_checkpoint_is_not_removed_for_it(run: Run) -> None:
    (save(run, 20).folder / "state.json").write_bytes(b"torn")
    save(run, 10, keep=1)
    assert steps(run) == [10]


def test_a_damaged_checkpoint_is_kept_beside_and_each_is_named(run: Run) -> None:
    for step in (1, 2, 3):
        save(run, step)
    for step in (2, 3):
        (run.checkpoints / f"step-0000000{step}" / "state.json").unlink()
    found, findings = checkpoints.newest(run)
    assert found is not None
    assert found.step == 1
    assert [("step 3" in finding.what, "step 2" in finding.what) for finding in findings] == [
        (True, False), (False, True)]
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "damaged-step-00000002", "damaged-step-00000003", "step-00000001"]


def test_damaged_checkpoints_of_one_step_never_overwrite_each_other(run: Run) -> None:
    for _ in range(3):
        (save(run, 5).folder / "manifest.json").write_bytes(b"")
        checkpoints.newest(run)
    assert len(list(run.checkpoints.glob("damaged-step-00000005*"))) == 3


def test_one_who_only_reads_sets_nothing_aside(run: Run) -> None:
    save(run, 1)
    folder = save(run, 2).folder
    (folder / "state.json").write_bytes(b"torn")
    found, findings = checkpoints.newest(run, set_aside=False)
    assert found == checkpoints.load(run, 1)
    assert findings[0].where == str(folder)
    assert folder.is_dir()


def test_the_same_step_saved_again_with_the_same_content_stands_once(run: Run) -> None:
    first = save(run, 3)
    assert save(run, 3) == first
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000003"]


def test_the_same_step_saved_again_with_other_content_counts_from_then_on(run: Run) -> None:
    save(run, 3, text="first")
    for text in ("second", "third", "fourth"):
        again = save(run, 3, text=text, keep=1)
        assert checkpoints.newest(run) == (again, [])
        assert checkpoints.load(run, 3) == again
        assert durable.read_json(again.folder / "state.json") == {"text": text}
        assert len(list(run.checkpoints.iterdir())) == 1


def test_the_old_save_of_a_step_stands_until_the_new_one_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = save(run, 3, text="first")
    monkeypatch.setattr(checkpoints, "_retain", lambda *arguments: None)  # as if the process ended before it
    second = save(run, 3, text="second")
    assert first.folder.is_dir()
    assert checkpoints.newest(run) == (second, [])
    (second.folder / "state.json").unlink()
    found, findings = checkpoints.newest(run)
    assert (found, len(findings)) == (first, 1)


def test_a_damaged_checkpoint_of_the_same_step_makes_way(run: Run) -> None:
    (save(run, 3).folder / "state.json").write_bytes(b"torn")
    assert save(run, 3).folder.name == "step-00000003"
    assert (run.checkpoints / "damaged-step-00000003" / "state.json").read_bytes() == b"torn"


def test_too_little_space_is_told_before_anything_is_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "free_bytes", lambda path: 1000)
    with pytest.raises(Failure, match="3,000 are missing") as raised:
        checkpoints.save(run, 1, writer("x"), facts={}, keep=1, best=None, space=4000)
    assert raised.value.kind == "runs.no_space"
    assert list(run.checkpoints.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_a_save_that_is_broken_off_leaves_no_staging(run: Run, error: type[BaseException]) -> None:
    def write(folder: Path) -> None:
        writer("x")(folder)
        raise error

    with pytest.raises(error):
        checkpoints.save(run, 1, write, facts={}, keep=1, best=None)
    assert list(run.checkpoints.iterdir()) == []


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_tensor_files_get_the_mode_that_the_umask_leaves(run: Run, mask: int) -> None:
    before = os.umask(mask)
    try:
        saved = checkpoints.save(run, 1, lambda folder: tensors.save_file({"a": np.ones(3)}, folder / "a.safetensors"),
                                 facts={}, keep=1, best=None)
    finally:
        os.umask(before)
    for path in saved.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_files_in_folders_within_are_proved_too(run: Run) -> None:
    def write(folder: Path) -> None:
        (folder / "adapter").mkdir()
        (folder / "adapter" / "a.bin").write_bytes(b"x" * 100)

    saved = checkpoints.save(run, 1, write, facts={}, keep=1, best=None)
    assert checkpoints.newest(run) == (saved, [])
    (saved.folder / "adapter" / "a.bin").write_bytes(b"y" * 100)
    with pytest.raises(Refusal, match=r"adapter/a\.bin"):
        checkpoints.load(run, 1)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret", "..", "", "..\\secret", "a\0b"])
def test_a_manifest_that_names_a_file_outside_its_folder_does_not_verify(run: Run, name: str) -> None:
    (run.checkpoints).mkdir()
    (run.checkpoints / "secret").write_bytes(b"secret")
    folder = save(run, 1).folder
    stated = {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    reseal(folder, {"step": 1, "files": {name: stated}, "facts": {}})
    assert steps(run) == []


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "loop", "pipe", "folder"])
def test_what_is_no_plain_file_inside_does_not_verify(run: Run, tmp_path: Path, kind: str) -> None:
    folder = save(run, 1).folder
    content = (folder / "state.json").read_bytes()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "state.json").write_bytes(content)
    (folder / "state.json").unlink()
    if kind == "link to a file":
        (folder / "state.json").symlink_to(tmp_path / "outside" / "state.json")
    elif kind == "link to a folder":
        (folder / "inside").symlink_to(tmp_path / "outside")
        stated = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        reseal(folder, {"step": 1, "files": {"inside/state.json": stated}, "facts": {}})
    elif kind == "loop":
        (folder / "state.json").symlink_to("state.json")
    elif kind == "pipe":
        os.mkfifo(folder / "state.json")
    else:
        (folder / "state.json").mkdir()
    assert steps(run) == []
    found, findings = checkpoints.newest(run)
    assert (found, [finding.kind for finding in findings]) == (None, ["runs.damaged_checkpoint"])


def test_a_checkpoint_under_the_name_of_another_step_does_not_verify(run: Run) -> None:
    save(run, 1).folder.rename(run.checkpoints / "step-00000009")
    assert steps(run) == []


def test_a_checkpoint_copied_elsewhere_stays_good(run: Run, tmp_path: Path) -> None:
    save(run, 1)
    moved = Run(tmp_path / "moved")
    moved.path.mkdir()
    run.checkpoints.rename(moved.checkpoints)
    assert steps(moved) == [1]


def test_what_a_killed_process_left_is_removed_and_told(run: Run) -> None:
    saved = save(run, 1)
    (run.checkpoints / ".staging-00000002-abcd" / "deep").mkdir(parents=True)
    (run.checkpoints / ".removed-step-00000001-abcd").mkdir()
    (run.path / ".verdict.json.abcd.tmp").write_bytes(b"half")
    (run.path / ".lock").write_bytes(b"")
    findings = checkpoints.clean(run)
    assert [finding.severity for finding in findings] == ["note"] * 3
    assert [path.name for path in run.checkpoints.iterdir()] == [saved.folder.name]
    assert sorted(path.name for path in run.path.iterdir()) == [".lock", "checkpoints"]


def test_a_step_that_was_never_saved_is_a_misuse_that_names_those_that_were(run: Run) -> None:
    save(run, 1)
    save(run, 2)
    with pytest.raises(Misuse) as raised:
        checkpoints.load(run, 7)
    assert "2, 1" in raised.value.remedy


def test_one_that_vanishes_while_it_is_read_is_passed_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = save(run, 1), save(run, 2)
    real = manifest.verified

    def verified(folder: Path, step: int) -> dict[str, Any]:
        if folder == second.folder and folder.exists():
            folder.rename(folder.with_name(".removed-step-00000002-abcd"))  # the owner's retention, in between
        return real(folder, step)

    monkeypatch.setattr(manifest, "verified", verified)
    assert checkpoints.newest(run) == (first, [])
