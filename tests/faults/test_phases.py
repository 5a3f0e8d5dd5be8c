"""Signals in each phase of a run: how it ends, what stands afterwards, and that it can be gone on with."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from stage import PHASES, Ended, Stage
from story import Story, clear, kept, of, tidy
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import Run

ASKED = ("SIGTERM", "SIGINT", "SIGHUP")
STOPPED_AFTER = {"step": 4, "evaluation": 3, "save": 4}  # one that comes in a save waits for the next step
BEFORE_A_STEP = ("encode", "load")
WAYS = [*((name,) for name in ASKED), ("SIGINT", "SIGINT"), ("SIGTSTP",)]
IN_SHORT = [("encode", ("SIGTERM",)), ("load", ("SIGINT",)), ("step", ("SIGHUP",)), ("evaluation", ("SIGINT",) * 2),
            ("save", ("SIGTERM",)), ("judge", ("SIGINT",)), ("step", ("SIGTSTP",))]


def ended_well(ended: Ended, phase: str, send: tuple[str, ...]) -> None:
    """The exit code and the message are those that are promised."""
    if send == ("SIGTSTP",):
        assert ended.code == 0, ended.err
    elif phase in BEFORE_A_STEP:
        assert ended.code == 75, ended.err
        assert f"stopped by {send[0]} before the first step" in ended.err
        assert "fix: run the same command again" in ended.err
    elif len(send) == 2:
        assert ended.code == 130, ended.err
        assert "\nstopped\n" in ended.err
        assert "go on from the last checkpoint with: tunesmith train --resume" in ended.err or phase == "judge"
    elif phase == "judge":
        assert ended.code == 75, ended.err
        assert f"stopped by {send[0]} while judging; the training is saved" in ended.err
    else:
        assert ended.code == 75, ended.err
        assert f"stopped after step {STOPPED_AFTER[phase]}; go on with: tunesmith train --resume" in ended.out


@pytest.mark.fault("signals in each phase")
@pytest.mark.parametrize(("phase", "send"), [
    pytest.param(phase, send, id=f"{phase}-{'-'.join(send)}",
                 marks=[] if (phase, send) in IN_SHORT else pytest.mark.long)
    for phase, send in itertools.product(PHASES, WAYS)
])
def test_a_run_ends_as_promised_in_each_phase_and_goes_on(
    stage: Stage, story: Story, phase: str, send: tuple[str, ...], tmp_path: Path
) -> None:
    folder, nth = tmp_path / "runs", {"step": 4, "save": 2}.get(phase, 1)
    ended = stage.do(words=story.words(folder), phase=phase, nth=nth, send=send, cache=tmp_path / "cache")
    clear(ended)
    ended_well(ended, phase, send)
    if phase == "encode" and ended.code:
        assert not folder.exists()
        return
    run = of(folder)
    tidy(run)
    found, findings = checkpoints.newest(Run(run))
    assert findings == []
    assert (found is None) == (phase == "load" and ended.code != 0)
    if ended.code == 75 and found:
        lines = (run / "records.jsonl").read_text().splitlines()
        assert f'"step": {found.step}' in lines[-1], "the last step that was recorded is saved"
    if ended.code:
        again = stage.do(words=["train", "--resume", run])
        assert again.code == 0, again.err
    assert kept(run) == kept(story.whole)
