"""Files of strangers as base and as data: refused or harmless, and nothing of theirs imported, executed or fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hostile import AS_A_FILE, AS_DATA, CANARY, CONFIGS, PICKLES, Change
from stage import Ended, Stage
from story import Story, clear

SECONDS = 15
HARMLESS = {  # transformers does not look at these, or takes only the name; or they mean nothing that could be used
    "custom_generate", "processor_class", "vocab_file", "name_or_path", "a huge context", "fast_tokenizer_files",
    "tokenizer_class of a file", "tokenizer_class by its path", "tokenizer_class of the Hub", "no layers",
    "a strange dtype", "ids a text", "as chat_template.jinja",
}


def some(names: Iterable[str]) -> list[Any]:
    """All names, all but every tenth for the long loops."""
    return [pytest.param(name, marks=[pytest.mark.long] if at % 10 else []) for at, name in enumerate(names)]


def harmless(ended: Ended, folder: Path) -> None:
    """Refused by an exit code that says so, or run; in both cases nothing was won."""
    clear(ended)
    assert ended.code in (0, 2, 3), ended
    assert ended.told["seen"] == []
    assert not (folder / CANARY).exists()
    if ended.code:
        said = ended.out + ended.err
        assert "  at:  " in said and "  fix: " in said, said


def opened(stage: Stage, story: Story, folder: Path, change: Change) -> Ended:
    """A base that is opened with something of a stranger's in it."""
    shutil.copytree(story.recipe.parent / "base", folder)
    change(folder)
    ended = stage.do(open=folder, watch=str(folder), seconds=SECONDS)
    harmless(ended, folder)
    return ended


@pytest.mark.fault("hostile configurations")
@pytest.mark.parametrize("name", some(CONFIGS))
def test_a_hostile_configuration_wins_nothing(stage: Stage, story: Story, name: str, tmp_path: Path) -> None:
    ended = opened(stage, story, tmp_path / "base", CONFIGS[name])
    assert (ended.code == 0) == (name in HARMLESS), ended.err


@pytest.mark.fault("pickles")
@pytest.mark.parametrize("name", some(PICKLES))
def test_a_pickle_in_a_base_is_never_opened(stage: Stage, story: Story, name: str, tmp_path: Path) -> None:
    ended = opened(stage, story, tmp_path / "base", PICKLES[name])
    assert (ended.code == 0) == (name in HARMLESS or name.startswith("beside")), ended.err


@pytest.mark.fault("pickles")
@pytest.mark.parametrize("name", some(AS_A_FILE))
def test_a_pickle_named_as_a_base_is_never_opened(stage: Stage, story: Story, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(AS_A_FILE[name](tmp_path))
    ended = stage.do(open=tmp_path / name, watch=str(tmp_path), seconds=SECONDS)
    harmless(ended, tmp_path)
    assert ended.code in (2, 3), ended.err


@pytest.mark.fault("pickles")
@pytest.mark.parametrize("name", some(AS_DATA))
def test_a_pickle_named_as_data_is_never_opened(stage: Stage, story: Story, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(AS_DATA[name](tmp_path))
    ended = stage.do(words=["check", story.recipe, f"data.train={tmp_path / name}"], watch=str(tmp_path),
                     seconds=SECONDS)
    harmless(ended, tmp_path)
    assert ended.code in (2, 3), ended.err


@pytest.mark.fault("pickles")
@pytest.mark.parametrize("what", ["adapter_model.safetensors", "optimiser.safetensors", "manifest.json"])
def test_a_pickle_in_a_run_is_never_opened(
    stage: Stage, story: Story, half: Path, what: str, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(half, tmp_path / half.name))
    for checkpoint in (run / "checkpoints").glob("step-*"):
        (checkpoint / what).write_bytes(AS_A_FILE["zip.bin"](tmp_path))
    ended = stage.do(words=["train", "--resume", run], watch=str(tmp_path),
                     seconds=SECONDS)
    clear(ended)
    assert ended.told["seen"] == [] and not (tmp_path / CANARY).exists()
    assert "is damaged" in ended.err
