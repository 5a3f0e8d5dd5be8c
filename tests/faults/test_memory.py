"""Memory that ends below what a run needs: a clear error, nothing torn, and the run goes on where there is more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stage import Ended, Stage
from story import Story, clear, kept, of, tidy
from tiny import tiny_base

LARGE = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4}


@pytest.fixture(scope="module")
def large(stage: Stage, story: Story, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A base that weighs something, and an undisturbed run of it."""
    folder = tmp_path_factory.mktemp("large")
    base = tiny_base(folder / "base", **LARGE)
    ended = stage.do(words=story.words(folder / "runs", f"base={base}", "adapter={type: full}"))
    assert ended.code == 0, ended.err
    return folder, ended


@pytest.mark.fault("out of memory")
@pytest.mark.parametrize("shares", [(0.05, 0.5, 0.9), pytest.param(
    tuple(n / 100 for n in range(2, 100, 3)), marks=pytest.mark.long)], ids=["some", "many"])
def test_a_run_without_the_memory_it_needs_says_so_and_goes_on_later(
    stage: Stage, story: Story, large: tuple[Path, Ended], shares: tuple[float, ...], tmp_path: Path,
    record_property: Any,
) -> None:
    folder, whole = large
    need = whole.told["peak"] - whole.told["before"]
    spent = 0
    for share in shares:
        below = tmp_path / str(share)
        words = story.words(below, f"base={folder / 'base'}", "adapter={type: full}")
        ended = stage.do(words=words, address_space=int(share * need))
        clear(ended)
        assert ended.code in (0, 1), (share, ended)
        spent += ended.code
        if ended.code:
            assert "error: the memory of this machine is spent" in ended.err, (share, ended.err)
            assert "fix: lower `training.batch_size`" in ended.err
        if list(below.glob("*/recipe.yaml")):
            tidy(of(below))
            again = stage.do(words=["train", "--resume", of(below)])
            assert again.code == 0, again.err
            assert kept(of(below)) == kept(of(folder / "runs")), share
    record_property("tried", len(shares))
    assert 2 * spent >= len(shares), "a limit that nothing meets shows nothing"
