"""Tune a language model on your examples, and prove that it got better.

    import tunesmith
    recipe = tunesmith.read_recipe("orders.yaml")
    tunesmith.check(recipe).ok
    tunesmith.train(recipe)

Names are imported when they are first used: `import tunesmith` alone loads neither torch nor transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import Problem as Problem
    from .errors import Problems as Problems
    from .inference.predictor import open as open_model
    from .recipe.read import read as read_recipe
    from .records import Finding as Finding
    from .records import Verdict as Verdict
    from .runs.folder import open_run as open_run
    from .workflow.check import check as check
    from .workflow.judge import evaluate as evaluate
    from .workflow.train import resume as resume
    from .workflow.train import train as train

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 — in the order of the story
    "read_recipe", "check", "train", "resume", "evaluate", "open_run", "open_model",
    "Finding", "Verdict", "Problem", "Problems",
]

_HOMES = {
    "read_recipe": ("recipe.read", "read"),
    "check": ("workflow.check", "check"),
    "train": ("workflow.train", "train"),
    "resume": ("workflow.train", "resume"),
    "evaluate": ("workflow.judge", "evaluate"),
    "open_run": ("runs.folder", "open_run"),
    "open_model": ("inference.predictor", "open"),
    "Finding": ("records", "Finding"),
    "Verdict": ("records", "Verdict"),
    "Problem": ("errors", "Problem"),
    "Problems": ("errors", "Problems"),
}


def __getattr__(name: str) -> Any:
    """The public thing of that name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    room, inside = _HOMES[name]
    return vars(importlib.import_module(f".{room}", __name__))[inside]


def __dir__() -> list[str]:
    """What is public."""
    return [*__all__, "__version__"]
