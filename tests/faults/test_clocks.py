"""A clock on the wall that is wrong changes nothing that counts: the bits, the order of steps, who holds a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from stage import Stage
from story import Story, clear, kept, of
from tunesmith.runs import checkpoints, lock
from tunesmith.runs.folder import Run

DAY = 24 * 3600
CLOCKS = {"ten days back": (-10 * DAY, 0), "ten years ahead": (3653 * DAY, 0), "backwards at every look": (0, -3600),
          "a day ahead at every look": (0, DAY)}


@pytest.mark.fault("odd clocks")
@pytest.mark.parametrize("name", [name if at == 2 else pytest.param(name, marks=pytest.mark.long)
                                  for at, name in enumerate(CLOCKS)])
def test_a_run_under_an_odd_clock_is_the_same_run(
    stage: Stage, story: Story, name: str, tmp_path: Path, record_property: Any
) -> None:
    clock = CLOCKS[name]
    begun = stage.do(words=story.words(tmp_path), clock=clock, phase="step", nth=3, send=["SIGTERM"])
    clear(begun)
    assert begun.code == 75, begun.err
    run = of(tmp_path)
    ended = stage.do(words=["train", "--resume", run], clock=(-clock[0], clock[1]))
    clear(ended)
    assert ended.code == 0, ended.err
    assert kept(run) == kept(story.whole)
    assert checkpoints.newest(Run(run))[0].step == 6
    timings = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()]
    assert [line["step"] for line in timings] == [1, 2, 3, 4, 5, 6]
    assert all(line["seconds"] >= 0 for line in timings)
    assert "left -" not in begun.err + ended.err
    record_property("tried", 2)


@pytest.mark.fault("odd clocks")
@pytest.mark.parametrize("seconds", [-10 * DAY, 3653 * DAY])
def test_a_lock_neither_expires_nor_outlives_its_owner(
    stage: Stage, half: Path, seconds: int, tmp_path: Path
) -> None:
    """Held from here; asked for by a process whose clock says that it is long ago, or not yet."""
    with lock.hold(Run(half)):
        ended = stage.do(words=["train", "--resume", half], clock=(seconds, 0))
    clear(ended)
    assert ended.code == 75, ended.err
    assert f"in use by process {os.getpid()} " in ended.err
