"""Options that are right alone and impossible together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from .. import catalog
from ..errors import Misuse, Problem
from .lines import Document, Steps
from .mistakes import option_path
from .options import Option, every


class _Unknown(Exception):
    """The option itself is wrong, so nothing follows from it."""


@dataclass(frozen=True)
class _Values:
    """The values of single options: as written, else by default; `_Unknown` for one that is wrong."""

    document: Document
    known: dict[Steps, Option]
    wrong: frozenset[Steps]

    def __call__(self, name: str) -> Any:
        path: Steps = tuple(name.split("."))
        if any(path[: len(bad)] == bad for bad in self.wrong):
            raise _Unknown
        value = self.document.values
        for step in path:
            if not isinstance(value, dict):
                raise _Unknown
            if step not in value:
                return self.known[path].info.default
            value = value[step]
        return value


def impossible(document: Document, errors: Sequence[ErrorDetails]) -> list[Problem]:
    """A mistake for each combination that cannot be, among the options without mistakes of their own."""
    known = every(document.values)
    values = _Values(document, known, frozenset(option_path(error["loc"], known) for error in errors))
    found: list[Problem] = []
    for rule in RULES:
        try:
            found += [Misuse("recipe.combination", what, document.place(at), remedy)
                      for at, what, remedy in rule(values)]
        except _Unknown:
            continue
    return found


Told = Iterator[tuple[Steps, str, str]]


def _shares(value: Callable[[str], Any]) -> Told:
    validation, test = value("data.validation"), value("data.test")
    if isinstance(validation, int | float) and isinstance(test, int | float) and validation + test >= 1:
        yield (("data", "test"), f"`data.validation` ({validation:g}) and `data.test` ({test:g}) leave no row to train "
               "on", "lower one of them; 0.1 each is usual")


def _same_files(value: Callable[[str], Any]) -> Told:
    sides = {side: value(f"data.{side}") for side in ("train", "validation", "test")}
    seen: dict[str, str] = {}
    for side, names in sides.items():
        files = [names] if isinstance(names, str) else names if isinstance(names, list) else []
        for name in dict.fromkeys(os.path.normpath(file) for file in files):
            if name in seen:
                yield (("data", side), f"`{name}` is both `data.{seen[name]}` and `data.{side}`",
                       "hold out other rows: name another file, or a share such as 0.1")
            seen.setdefault(name, side)


def _patience(value: Callable[[str], Any]) -> Told:
    if not value("training.patience"):
        return
    if value("data.validation") == 0:
        yield (("training", "patience"), "`training.patience` needs validation rows, and `data.validation` is 0",
               "set `data.validation` to 0.1, or `training.patience` to 0")
    if value("evaluation.every") == 0:
        yield (("training", "patience"), "`training.patience` counts evaluations on the way, and `evaluation.every` "
               "is 0: only at the end", "set `evaluation.every` to a number of steps, or `training.patience` to 0")


def _evaluations(value: Callable[[str], Any]) -> Told:
    if value("evaluation.every") and value("data.validation") == 0:
        yield (("evaluation", "every"), "`evaluation.every` needs validation rows, and `data.validation` is 0",
               "set `data.validation` to 0.1, or `evaluation.every` to 0")


def _metric(value: Callable[[str], Any]) -> Told:
    metric = value("evaluation.metric")
    silent = value("evaluation.generate") == 0
    if silent and metric is not None and vars(catalog.load("metric", metric))["needs"] == "text":
        yield (("evaluation", "metric"), f"`evaluation.metric: {metric}` reads generated answers, and "
               "`evaluation.generate` is 0", "set `evaluation.generate` to 32 or more, or name the metric `loss`")


RULES: tuple[Callable[[Callable[[str], Any]], Told], ...] = (_shares, _same_files, _patience, _evaluations, _metric)
