"""A run on a disk that fills up, under a limit, or that may not be written: told, nothing torn, gone on with later."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stage import Ended, Stage, can_mount
from story import Story, clear, kept, of, tidy
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import Run

pytestmark = [pytest.mark.long, pytest.mark.fault("full disk, limit, read-only folder")]
PLACES = 20
PAGE = 4096


class Disk:
    """A small disk that only a stage of its own sees."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage, self.path = stage, path
        path.mkdir()

    def mount(self, options: str) -> None:
        ended = self.stage.do(shell=["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)])
        assert ended.code == 0, ended.err

    def seen(self, outside: Path) -> Path:
        """The disk's content, copied to where a test can look at it."""
        shutil.rmtree(outside, ignore_errors=True)
        assert self.stage.do(shell=["cp", "-r", str(self.path), str(outside)]).code == 0
        return outside


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if not can_mount():
        pytest.skip("no small disk can be mounted here")
    with Stage(mounts=True) as made:
        yield Disk(made, tmp_path / "disk")


def stopped(ended: Ended, folder: Path) -> bool:
    """Whether it ended for want of space, as it should; what it left is whole."""
    clear(ended)
    assert ended.code in (0, 1), ended
    if ended.code:
        assert re.search(r"[\d,]+ bytes (are free|are missing)|larger than a file may be", ended.err), ended.err
        assert "fix: " in ended.err
    for run in folder.glob("*/checkpoints"):
        tidy(run.parent)
        assert checkpoints.newest(Run(run.parent))[1] == []
    return ended.code == 1


def ends(stage: Stage, story: Story, folder: Path, seen: Path) -> Ended:
    """The run in `folder`, seen at `seen`, gone on with; or begun, where there was no room to begin it."""
    begun = [path.parent.name for path in seen.glob("*/recipe.yaml")]
    words = ["train", "--resume", folder / begun[0]] if begun else story.words(folder)
    ended = stage.do(words=words)
    assert ended.code == 0, ended.err
    return ended


def test_a_run_on_a_disk_that_fills_up_anywhere_goes_on_once_there_is_room(
    story: Story, disk: Disk, tmp_path: Path, record_property: Any
) -> None:
    whole = sum(-(-path.stat().st_size // PAGE) for path in story.whole.rglob("*") if path.is_file())
    full = 0
    for place in range(1, PLACES + 1):
        disk.mount(f"size={whole * place // PLACES * PAGE}")
        ended = disk.stage.do(words=story.words(disk.path))
        full += stopped(ended, disk.seen(tmp_path / "seen"))
        disk.mount("remount,size=64m")
        ends(disk.stage, story, disk.path, tmp_path / "seen")
        assert kept(of(disk.seen(tmp_path / "seen"))) == kept(story.whole), place
        assert disk.stage.do(shell=["umount", str(disk.path)]).code == 0
    record_property("tried", PLACES)
    assert 2 * full >= PLACES


def test_a_run_whose_files_may_not_grow_goes_on_once_they_may(
    stage: Stage, story: Story, tmp_path: Path, record_property: Any
) -> None:
    largest = max(path.stat().st_size for path in story.whole.rglob("*") if path.is_file())
    for place in range(PLACES):
        folder = tmp_path / str(place)
        ended = stage.do(words=story.words(folder), file_size=500 + largest * place // PLACES)
        assert stopped(ended, folder), ended
        ends(stage, story, folder, folder)
        assert kept(of(folder)) == kept(story.whole), place
    record_property("tried", PLACES)


def test_a_run_in_a_folder_that_may_not_be_written_says_so(
    story: Story, disk: Disk, tmp_path: Path, record_property: Any
) -> None:
    disk.mount("size=64m")
    begun = disk.stage.do(words=story.words(disk.path), phase="step", nth=3, send=["SIGTERM"])
    assert begun.code == 75, begun.err
    run = disk.path / of(disk.seen(tmp_path / "seen")).name
    disk.mount("remount,ro")
    for words in (story.words(disk.path), ["train", "--resume", run]):
        ended = disk.stage.do(words=words)
        clear(ended)
        assert ended.code == 1 and "may not be written" in ended.err, ended.err
        assert "make the folder writable" in ended.err
    disk.mount("remount,rw")
    assert disk.stage.do(words=["train", "--resume", run]).code == 0
    assert kept(of(disk.seen(tmp_path / "seen"))) == kept(story.whole)
    record_property("tried", 2)
