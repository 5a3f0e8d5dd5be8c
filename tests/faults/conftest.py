"""What tests of faults share: a small run, and a warm process that can repeat it with a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage import Stage, shim
from story import RECIPE, Story, of
from tiny import tiny_base


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A warm process, the shim before the system's calls."""
    with Stage(shim=shim(tmp_path_factory.mktemp("shim"))) as made:
        yield made


@pytest.fixture(scope="session")
def story(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    tiny_base(folder / "base")
    rows = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(24)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "r.yaml").write_text(RECIPE)
    ended = stage.do(words=["train", str(folder / "r.yaml"), f"run.folder={folder / 'whole'}"])
    assert ended.code == 0, ended.err
    return Story(folder / "r.yaml", of(folder / "whole"))


@pytest.fixture(scope="session")
def half(stage: Stage, story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, stopped on request after its third step."""
    folder = tmp_path_factory.mktemp("half")
    ended = stage.do(words=story.words(folder), phase="step", nth=3, send=["SIGTERM"])
    assert ended.code == 75, ended.err
    return of(folder)
