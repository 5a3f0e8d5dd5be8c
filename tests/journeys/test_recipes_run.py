"""Every recipe that stands in recipes/ trains: its data is read and proved, its base opened, two steps taken."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import tunesmith
from tunesmith.errors import Problem, Problems

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared"
MADE_FOR_READERS = {"chat", "completion", "full"}  # their data is the reader's own


def shipped() -> list[Path]:
    return [path for path in sorted(PROJECT.glob("recipes/*.yaml")) if path.stem not in MADE_FOR_READERS]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data sets of ../shared are absent")
@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_a_recipe_takes_two_steps(path: Path, tmp_path: Path) -> None:
    try:
        steps = tunesmith.steps(tunesmith.load_recipe(path, {"training.steps": 2, "run.folder": str(tmp_path)}))
    except (Problem, Problems) as problem:
        kinds = {each.kind for each in (problem.problems if isinstance(problem, Problems) else [problem])}
        if kinds == {"base.not_installed"}:
            pytest.skip("the starter model is not installed")
        raise
    taken = list(steps)
    assert [step.number for step in taken] == [1, 2]
    assert all(math.isfinite(step.loss) and step.gradient_norm > 0 for step in taken)
