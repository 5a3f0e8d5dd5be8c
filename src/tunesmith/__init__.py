"""Tune a language model on your examples, and prove that it got better.

    import tunesmith

    recipe = tunesmith.load_recipe("orders.yaml", {"training.epochs": 1})
    report = tunesmith.check(recipe)          # findings, each with its place and what to do
    run = tunesmith.train(recipe)
    print(run.verdict.word)                   # better, worse, not proven
    print(run.generate(["Two red mugs to Oslo by Monday, please. Anna Berg"]))

A loop of your own: `for step in tunesmith.steps(recipe): …`. Nothing here prints, and what a user can act on is raised
as `Problem` (what, where, remedy) or several at once as `Problems`. Names are imported when they are first used:
`import tunesmith` alone loads neither torch nor transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import Problem as Problem
    from .errors import Problems as Problems
    from .inference.predictor import open as open_model
    from .recipe.read import load as load_recipe
    from .records import Finding as Finding
    from .records import Loss as Loss
    from .records import Step as Step
    from .records import Verdict as Verdict
    from .workflow.checking.check import CheckReport as CheckReport
    from .workflow.checking.check import check as check
    from .workflow.events import Stepped as Stepped
    from .workflow.run import Run as Run
    from .workflow.run import evaluate as evaluate
    from .workflow.run import resume as resume
    from .workflow.run import train as train
    from .workflow.steps import Steps as Steps
    from .workflow.steps import steps as steps

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 — in the order of the story
    "load_recipe", "check", "train", "resume", "steps", "evaluate", "Run", "open_model",
    "CheckReport", "Finding", "Loss", "Step", "Steps", "Stepped", "Verdict", "Problem", "Problems",
]

_HOMES = {
    "load_recipe": ("recipe.read", "load"),
    "check": ("workflow.checking.check", "check"),
    "train": ("workflow.run", "train"),
    "resume": ("workflow.run", "resume"),
    "steps": ("workflow.steps", "steps"),
    "evaluate": ("workflow.run", "evaluate"),
    "Run": ("workflow.run", "Run"),
    "open_model": ("inference.predictor", "open"),
    "CheckReport": ("workflow.checking.check", "CheckReport"),
    "Finding": ("records", "Finding"),
    "Loss": ("records", "Loss"),
    "Step": ("records", "Step"),
    "Steps": ("workflow.steps", "Steps"),
    "Stepped": ("workflow.events", "Stepped"),
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
