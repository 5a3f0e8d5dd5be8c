"""A tiny classifier of a few steps, and a log of what it was asked: for the tests of who watches it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tiny import tiny_encoder
from tunesmith.monitoring.log import Judgement, Log, Seen, open_log
from tunesmith.recipe.monitoring import Monitoring
from tunesmith.recipe.read import parse
from tunesmith.workflow.tuning.train import train

THINGS = {
    "order": ("shirt", "hat", "coat", "shoe", "sock", "scarf"), "place": ("paris", "baku", "rome", "oslo", "lima"),
    "money": ("refund", "price", "invoice", "tax", "fee", "discount"),
}
FRAMES = ("where is the {}", "please tell me about the {} and the {}", "what is a {} of {}", "my {} was late again",
          "how much is one {} with a {}", "i have asked for the {} twice", "is there any {} left for {}")


def asked(chance: random.Random, label: str) -> str:
    """A made-up question of a label."""
    return chance.choice(FRAMES).format(*(chance.choice(THINGS[label]) for _ in range(2)))


def texts(many: int, *, seed: int, labels: Sequence[str] = tuple(THINGS)) -> list[tuple[str, str]]:
    """Made-up questions with their labels."""
    chance = random.Random(seed)
    return [(asked(chance, label), label) for label in (chance.choice(labels) for _ in range(many))]


def rows_of(folder: Path, many: int = 400) -> Path:
    """A file of them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in texts(many, seed=1)))
    return path


def run_of(folder: Path, *overrides: str, many: int = 400) -> Path:
    """The folder of a run of a few steps; half of its rows are held out."""
    return train(parse({
        "base": {"name": str(tiny_encoder(folder / "base")), "dtype": "float32"}, "task": "classify",
        "data": {"train": str(rows_of(folder, many)), "validation": 0, "test": 0.5, "near": None},
        "adapter": "full", "training": {"learning_rate": 1e-3, "steps": 4, "max_length": 64},
        "run": {"folder": str(folder / "runs"), "name": "desk"}, "monitoring": {"keep": "text"},
    }, source="test", overrides=overrides)).run


def filled(path: Path, said: Sequence[tuple[str, str]], *, settings: Monitoring | None = None, name: str = "desk",
           start: float | None = None) -> Log:
    """A log in which these were asked, one a second, each answered with its label; closed."""
    log = open_log(path, settings or Monitoring(keep="text"))
    began = time.time() - len(said) if start is None else start
    for number, (text, label) in enumerate(said):
        answer = f"{name}-{began:.0f}-{number}"
        log.write(Seen(answer, began + number, name, "predict", text, label, len(text.split()), 1, 0.01, None, label))
        if number % 10 == 0:
            log.judge(answer, Judgement(good=number % 20 == 0))
    assert log.flush()
    log.close()
    return log
