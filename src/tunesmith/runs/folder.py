"""The run folder: its name, its layout, and what its files tell about the run."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import Misuse, Problem
from . import durable, records

LONGEST_NAME = 40  # characters: four bytes each and the rest of the name stay below the 255 bytes of a file name
DONE = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of one run, and where each thing in it stands."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def recipe_file(self) -> Path:
        """The recipe as resolved."""
        return self.path / "recipe.yaml"

    @property
    def lineage_file(self) -> Path:
        """What the run was made from, and on."""
        return self.path / "lineage.json"

    @property
    def vocabulary_file(self) -> Path:
        """The new pieces of the base's vocabulary, where it was extended."""
        return self.path / "vocabulary.json"

    @property
    def check_file(self) -> Path:
        """The audit and the mask proof."""
        return self.path / "check.json"

    @property
    def check_page_file(self) -> Path:
        """The same as one HTML page."""
        return self.path / "check.html"

    @property
    def records_file(self) -> Path:
        """What the recipe determines, a line a step."""
        return self.path / "records.jsonl"

    @property
    def timings_file(self) -> Path:
        """What the machine determined."""
        return self.path / "timings.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def verdict_file(self) -> Path:
        """The verdict as JSON."""
        return self.path / "verdict.json"

    @property
    def predictions_file(self) -> Path:
        """What the verdict was computed from: a line a held-out row, both sides of it."""
        return self.path / "predictions.jsonl"

    def predictions_of(self, name: str) -> Path:
        """The same for the rows of an entry of `evaluation.also`."""
        return self.path / f"predictions-{name}.jsonl"

    @property
    def report_file(self) -> Path:
        """The verdict as Markdown."""
        return self.path / "verdict.md"

    @property
    def page_file(self) -> Path:
        """The verdict as one HTML page."""
        return self.path / "verdict.html"

    @property
    def card_file(self) -> Path:
        """The model card, in the Hub's format."""
        return self.path / "README.md"

    @property
    def exports(self) -> Path:
        """The folder of exports, one folder a kind."""
        return self.path / "exports"

    @property
    def reference_file(self) -> Path:
        """What its rows are like, for what it sees in service to be held against; tensors stand beside it."""
        return self.path / "reference.json"

    @property
    def seen_file(self) -> Path:
        """What the run was asked while it was served, where its recipe says that it is kept."""
        return self.path / "seen.sqlite"

    @property
    def lock_file(self) -> Path:
        """The file whose lock owns the run."""
        return self.path / ".lock"


@dataclass(frozen=True, slots=True)
class Status:
    """How far a run came. `finished`: its records end with a line of kind `done`; `verdict`: the word, or None."""

    steps: int
    finished: bool
    verdict: str | None


def create(parent: Path, name: str) -> Run:
    """A new folder `parent/YYYY-MM-DD-name-xxxx` that no other run has, on the disk.

    The date is for people only; nothing sorts or decides by it. Raises Misuse or Failure where it cannot be made.
    """
    durable.make_folder(parent)
    while True:
        path = parent / f"{datetime.now().astimezone():%Y-%m-%d}-{_sanitised(name)}-{secrets.token_hex(2)}"
        try:
            path.mkdir()  # the one call that only one of two processes can win
        except FileExistsError:
            continue
        except OSError as error:
            raise durable.problem(error, path) from error
        durable.sync_folder(parent)
        return Run(path)


def open_run(path: Path) -> Run:
    """The run in a folder. Raises Misuse, with the nearest runs, where it holds none."""
    run = Run(path)
    if run.recipe_file.is_file():
        return run
    if not path.exists():
        what = f"there is no folder `{path}`"
    elif not path.is_dir():
        what = f"`{path}` is a file, not a run folder"
    else:
        what = f"`{path}` is no run folder: it has no `recipe.yaml`"
    near = meant(path)
    remedy = f"name a run folder, such as `{near.path}`" if near else "name the folder that `tunesmith train` made"
    raise Misuse("runs.not_a_run", what, str(path), remedy)


def meant(path: Path) -> Run | None:
    """The run that a wrong path may mean: the one whose checkpoint it is, one of that name, or another that is near."""
    for parent in path.parents:
        if path.is_relative_to(Run(parent).checkpoints) and Run(parent).recipe_file.is_file():
            return Run(parent)
    near = list_runs(path) or list_runs(path.parent)
    named = [run for run in near if path.name.strip("*-") in run.name]
    return (named or near)[-1] if near else None


def list_runs(parent: Path) -> tuple[Run, ...]:
    """The runs in a folder, sorted by name (which begins with the date); none where there is no such folder."""
    if not parent.is_dir():
        return ()
    runs = (Run(path) for path in sorted(parent.iterdir()))
    return tuple(run for run in runs if run.recipe_file.is_file())


def status(run: Run) -> Status:
    """How far the run came, from its files alone.

    A run is finished when the last line of its records is of kind `done`, which is written after all else; a verdict
    alone does not say so, because a recipe without held-out rows has none.
    """
    tail = records.tail(run.records_file)
    steps = next((line["step"] for line in reversed(tail) if isinstance(line.get("step"), int)), 0)
    finished = bool(tail) and tail[-1].get("kind") == DONE
    return Status(steps, finished, _verdict(run))


def _verdict(run: Run) -> str | None:
    if not run.verdict_file.is_file():
        return None
    try:
        value = durable.read_json(run.verdict_file)
    except Problem:
        return None  # a list of runs is no place to fail over one damaged file; opening the run tells it
    word = value.get("verdict") if isinstance(value, dict) else None
    return word if isinstance(word, str) else None


def _sanitised(name: str) -> str:
    kept = re.sub(r"[^\w.-]+", "-", name).strip("-._")[:LONGEST_NAME].strip("-._")
    return kept or "run"
