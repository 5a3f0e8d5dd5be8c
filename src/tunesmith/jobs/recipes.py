"""The recipe that a job stands for: what was asked in the API's words, as an ordinary recipe of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..recipe import read, write
from ..runs import durable
from .entries import Wish
from .place import Work

EPOCHS, EPOCHS_OF_MANY, MANY_ROWS = 3, 1, 5000
BATCH_SIZE = 8
LEARNING_RATE = 2e-4  # of which `learning_rate_multiplier` is a multiple
TEST_SHARE = 0.1
KEPT = 3  # checkpoints
SAVE_EVERY = 100  # steps at most: an ended server costs no more work than that
EVALUATIONS_PER_EPOCH = 4


def epochs_of(rows: int) -> int:
    """How often rows are seen where nobody says it."""
    return EPOCHS if rows < MANY_ROWS else EPOCHS_OF_MANY


def values(wish: Wish, work: Work, base: str, context: int) -> dict[str, Any]:
    """The recipe as values. context: the tokens that the base reads."""
    steps = max(1, wish.rows // wish.batch_size)  # of an epoch
    data: dict[str, Any] = {"train": str(work.rows("training_file")), "test": TEST_SHARE, "validation": 0}
    evaluation: Mapping[str, Any] = {"generate": 0}
    if wish.validation_file:
        data["validation"] = [str(work.rows("validation_file"))]
        evaluation = {"generate": 0, "every": max(1, steps // EVALUATIONS_PER_EPOCH)}
    return {
        "base": {"name": base},
        "task": "chat",
        "data": data,
        "adapter": {"type": "lora", "rank": 16, "alpha": 32, "targets": "all-linear"},
        "training": {
            "learning_rate": LEARNING_RATE * wish.learning_rate_multiplier, "epochs": wish.epochs,
            "batch_size": wish.batch_size, "max_length": context, "seed": wish.seed,
            "save_every": min(SAVE_EVERY, steps), "keep": KEPT,
        },
        "evaluation": evaluation,
        "run": {"folder": str(work.runs), "name": "job"},
    }


def write_recipe(wish: Wish, work: Work, base: str, context: int) -> None:
    """Put the recipe into the job's folder."""
    recipe = read.parse(values(wish, work, base, context), source=str(work.recipe))
    durable.write_file(work.recipe, write.dump(recipe).encode())
