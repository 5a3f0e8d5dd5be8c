"""CONTRIBUTING, followed: its example files go into open folders of a copy, and the contract tests run over them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import Block, blocks

PROJECT = Path(__file__).resolve().parents[2]
WALKS = {  # what is added, and the tests that CONTRIBUTING says will hold it
    "a format": ("dialogue", ["tests/contracts/test_formats.py"]),
    "a task": ("sure", ["tests/contracts/test_tasks.py", "tests/contracts/test_knobs.py"]),
}


def documented(name: str) -> list[Block]:
    return [block for block in blocks(PROJECT / "CONTRIBUTING.md") if Path(block.file).stem == name]


@pytest.fixture
def copy(tmp_path) -> Path:
    """The package and its contract tests, to add to."""
    for folder in ("src/tunesmith", "tests/contracts"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (PROJECT / "pyproject.toml", *(PROJECT / "tests").glob("*.py")):
        shutil.copy(file, tmp_path / file.relative_to(PROJECT))
    return tmp_path


def laid(name: str, copy: Path) -> None:
    """Write the documented files where their names say."""
    for block in documented(name):
        path = copy / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def contracts(copy: Path, chosen: str, *tests: str) -> subprocess.CompletedProcess[str]:
    """The contract tests of the copy, over its own package."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen, *tests],
        cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{copy / 'src'}:{copy / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.mark.parametrize("walk", WALKS)
def test_what_contributing_adds_is_taken_and_held_by_the_contracts(walk, copy):
    name, tests = WALKS[walk]
    laid(name, copy)
    done = contracts(copy, name, *tests)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 6, done.stdout


@pytest.mark.long
def test_a_file_that_breaks_the_contract_is_found(copy):
    laid("dialogue", copy)
    path = copy / documented("dialogue")[0].file
    path.write_text(path.read_text().replace("said.strip()", "speaker"), encoding="utf-8")
    done = contracts(copy, "dialogue and read_as_that_example", "tests/contracts/test_formats.py")
    assert done.returncode == 1, done.stdout[-2000:]


def test_the_example_files_stand_in_contributing_and_nowhere_else():
    assert [block.file for block in documented("dialogue")] == [
        "src/tunesmith/data/formats/dialogue.py", "tests/contracts/rows/dialogue.json"]
    assert [block.file for block in documented("sure")] == ["src/tunesmith/tasks/sure.py"]
    assert not any((PROJECT / block.file).exists() for name in ("dialogue", "sure") for block in documented(name))
