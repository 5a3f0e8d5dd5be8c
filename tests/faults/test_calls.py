"""A save of a real run, each call of the system in it made to fail or to end the process: by C, so inside Rust too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stage import KINDS, Ended, Stage, shim
from story import Story, clear, kept, tidy
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import Run

MOST = 400
KILLED_BY_9 = -9
KILLED, FAILED = "killed at the n-th call of a save", "an error at the n-th call of a save"


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def saver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A process that keeps a session open, which makes it unfit for training in children."""
    with Stage(shim=shim(tmp_path_factory.mktemp("shim"))) as made:
        yield made


@pytest.fixture(scope="module")
def good(saver: Stage, half: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """The checkpoints that may be found: the one that stood, and the one that an undisturbed save makes."""
    copy = tmp_path_factory.mktemp("good") / half.name
    shutil.copytree(half, copy)
    ended = saver.do(save=str(half), into=str(copy), at=0, kind="kill", below=str(copy))
    assert ended.code == 0, ended.err
    return {found.step: content(found.folder) for found in checkpoints.verified(Run(copy)) if found.step >= 3}


def saved(saver: Stage, half: Path, place: Path, kind: str, at: int) -> Ended:
    shutil.copytree(half, place)
    return saver.do(save=str(half), into=str(place), at=at, kind=kind, below=str(place))


def kinds(*, apart: dict[str, int]) -> Any:
    """A test for each kind of fault; each counts in its row of the table."""
    return pytest.mark.parametrize(("kind", "apart"), [
        pytest.param(kind, apart.get(kind, apart["others"]), id=kind,
                     marks=pytest.mark.fault(KILLED if "kill" in kind else FAILED)) for kind in KINDS])


@kinds(apart={"others": 1})
def test_a_save_of_a_real_run_may_end_at_any_call(
    saver: Stage, half: Path, good: dict[int, dict[str, bytes]], kind: str, apart: int, tmp_path: Path,
    record_property: Any,
) -> None:
    steps, tried, met = set(), 0, True
    while met and tried < MOST:
        place = tmp_path / str(tried)
        at = 1 + tried * apart
        ended = saved(saver, half, place, kind, at)
        clear(ended)
        found, findings = checkpoints.newest(Run(place))
        assert found is not None and findings == [], at
        assert content(found.folder) == good[found.step], at
        steps.add(found.step)
        if ended.code != KILLED_BY_9:
            met = ended.told["count"] >= at
            assert ended.told["synced_again"] == 0, at
            assert ended.code in (0, 1), ended.err
            assert found.step == (4 if ended.code == 0 or "runs.uncertain" in ended.err else 3), (at, ended.err)
            assert not list((place / "checkpoints").glob(".staging-*")), at
        checkpoints.clean(Run(place))
        tidy(place)
        shutil.rmtree(place)
        tried += met
    assert not met and steps == {3, 4}
    record_property("tried", tried)


@pytest.mark.long
@kinds(apart={"kill": 3, "others": 6})
def test_a_whole_command_may_end_at_any_call_and_is_gone_on_with(
    stage: Stage, story: Story, half: Path, kind: str, apart: int, tmp_path: Path, record_property: Any
) -> None:
    tried, met = 0, True
    while met and tried < MOST:
        place = tmp_path / str(tried) / half.name
        at = 1 + tried * apart
        shutil.copytree(half, place)
        ended = stage.do(words=["train", "--resume", place], at=at, kind=kind, below=place)
        clear(ended)
        if ended.code != KILLED_BY_9:
            met = ended.told["count"] >= at
            assert ended.told["synced_again"] == 0, at
            assert ended.code in (0, 1) and ("fix:" in ended.err or ended.code == 0), (at, ended.err)
        again = stage.do(words=["train", "--resume", place])
        assert again.code == 0, (at, ended.err, again.err)
        assert kept(place) == kept(story.whole), at
        tidy(place)
        shutil.rmtree(place)
        tried += met
    assert not met
    record_property("tried", tried)
