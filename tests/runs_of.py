"""Runs of a few steps on tiny bases, for the tests that take one further."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tunesmith.recipe.read import parse
from tunesmith.workflow.tuning.train import train

ROWS = 40
WORDS = ("hat", "shirt", "clip")


def hats(folder: Path) -> Path:
    """A file of questions and answers."""
    rows = [{"question": f"How many hats has Anna after {n}?", "answer": f"Anna has {n + 2} hats."}
            for n in range(ROWS)]
    path = folder / "hats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled(folder: Path) -> Path:
    """Texts of three classes."""
    drawn = random.Random(3)
    rows = [{"text": " ".join([WORDS[n % 3], *("".join(drawn.choices("abcdefgh", k=4)) for _ in range(8))]),
             "label": WORDS[n % 3]} for n in range(60)]
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_on(base: Path | str, folder: Path, *overrides: str, **sections: Any) -> Path:
    """The folder of a run on `base`: LoRA and chat unless `sections` or `overrides` say otherwise; float32, judged."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = parse({
        "base": {"name": str(base), "dtype": "float32"}, "task": "chat",
        "data": {"train": str(hats(folder)), "validation": 0.1, "test": 0.25},
        "adapter": {"type": "lora", "rank": 4},
        "training": {"learning_rate": 5e-3, "steps": 6, "epochs": 9, "batch_size": 4, "max_length": 128,
                     "save_every": 3},
        "evaluation": {"generate": 2, "max_new_tokens": 8},
        "run": {"folder": str(folder / "runs"), "name": "hats"},
        **sections,
    }, source="test", overrides=overrides)
    return train(recipe).run
