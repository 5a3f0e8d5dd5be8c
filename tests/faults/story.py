"""A small run that nothing happened to, and what must hold of one to which something did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage import Ended

RECIPE = """base: ./base
task: chat
data: {train: rows.jsonl, validation: 0.2, test: 0.2}
adapter: {type: lora, rank: 4}
training: {learning_rate: 1e-2, steps: 6, epochs: 99, batch_size: 4, max_length: 128, save_every: 2}
evaluation: {generate: 1, max_new_tokens: 2, every: 3}
"""


@dataclass(frozen=True)
class Story:
    """A recipe, and the run that it gave when nothing happened."""

    recipe: Path
    whole: Path

    def words(self, folder: Path, *more: str) -> list[str]:
        """The command line that trains it, the run below `folder`."""
        return ["train", str(self.recipe), f"run.folder={folder}", *more]


def of(folder: Path) -> Path:
    """The one run in a folder."""
    [found] = [path.parent for path in folder.glob("*/recipe.yaml")]
    return found


def kept(run: Path) -> dict[str, Any]:
    """What must be equal, bit for bit, to the end of a run that nothing happened to."""
    newest = max((run / "checkpoints").glob("step-*"))
    facts = json.loads((newest / "manifest.json").read_text())["facts"]
    return {"facts": facts, "records": (run / "records.jsonl").read_text(),
            **{file.name: file.read_bytes() for file in newest.glob("*.safetensors")}}


def clear(ended: Ended) -> None:
    """What it said is for a person: no traceback, no bug."""
    assert "Traceback" not in ended.err, ended.err
    assert "has a bug" not in ended.err, ended.err
    assert "not caught" not in ended.err, ended.err


def tidy(run: Path) -> None:
    """Nothing half-written is left in a run."""
    assert not [path for path in (run / "checkpoints").glob(".*")]
    assert not [path for path in run.glob(".*.tmp")]
