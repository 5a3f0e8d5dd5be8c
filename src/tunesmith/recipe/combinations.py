"""Options that are right alone and impossible together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
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
                return self.known[path].info.get_default(call_default_factory=True)
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


def _mix(value: Callable[[str], Any]) -> Told:
    given = [each.get("share") for each in value("data.mix").values() if isinstance(each, dict)]
    shares = [share for share in given if isinstance(share, int | float)]
    # as they were written: in floating point ten tenths are no whole
    if all(0 < share < 1 for share in shares) and sum(Fraction(str(share)) for share in shares) >= 1:
        yield (("data", "mix"), f"the shares of `data.mix` add up to {sum(shares):g} and leave none to `data.train`",
               "lower them: the training file has what is left of 1")
    for name, each in value("data.mix").items():
        if isinstance(each, dict) and each.get("share") is not None and each.get("epochs") is not None:
            yield (("data", "mix", name, "epochs"), f"`data.mix.{name}` has both a `share` and `epochs`, and one "
                   "follows from the other", "leave one of them out")


def _same_files(value: Callable[[str], Any]) -> Told:
    sides = {side: value(f"data.{side}") for side in ("train", "validation", "test")}
    sides |= {f"mix.{name}": rows.get("files") for name, rows in value("data.mix").items() if isinstance(rows, dict)}
    yield from _twice(sides)


def _also_trained(value: Callable[[str], Any]) -> Told:
    trained = set(_names(value("data.train")))
    for name, rows in value("evaluation.also").items():
        both = [file for file in _names(rows.get("files") if isinstance(rows, dict) else ()) if file in trained]
        if both:
            yield (("evaluation", "also", name), f"`{both[0]}` is trained on: what is measured there is no news",
                   "name rows that the model does not learn from")


def _names(files: Any) -> list[str]:
    listed = [files] if isinstance(files, str) else files if isinstance(files, list) else []
    return [os.path.normpath(file) for file in listed if isinstance(file, str)]


def _twice(sides: Mapping[str, Any]) -> Told:
    seen: dict[str, str] = {}
    for side, names in sides.items():
        for name in dict.fromkeys(_names(names)):
            if name in seen:
                yield (("data", *side.split(".")), f"`{name}` is both `data.{seen[name]}` and `data.{side}`",
                       "name another file, or for held-out rows a share such as 0.1")
            seen.setdefault(name, side)


def _divided(value: Callable[[str], Any]) -> Told:
    shares = {side: value(f"data.{side}") for side in ("validation", "test")}
    none = all(not isinstance(share, int | float) or share == 0 for share in shares.values())
    timed = value("data.time.column") is not None
    if value("data.stratify") and timed:
        yield (("data", "stratify"), "`data.stratify` draws rows by label, and `data.time` divides them by date",
               "leave one of them out")
    for option, wanted in (("stratify", value("data.stratify")), ("time", timed)):
        if wanted and none:
            yield (("data", option), f"`data.{option}` divides `data.train`, and neither `data.validation` nor "
                   "`data.test` is a share of it", "leave it out, or write a share such as 0.1")
    if timed and value("data.documents.characters"):
        yield (("data", "documents"), "`data.documents` joins rows, and `data.time` divides them by the time of each",
               "leave one of them out")
    for side, share in shares.items():
        named = value(f"data.time.{side}_from") is not None
        if named and not timed:
            yield (("data", "time"), f"`data.time.{side}_from` is a date, and no column holds the rows' dates",
                   "name it in `data.time.column`")
        elif named and not (isinstance(share, int | float) and share):
            yield (("data", "time"), f"`data.time.{side}_from` is a date, and `data.{side}` is no share of the rows",
                   f"take it out, or set `data.{side}` to a share such as 0.1")


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


def _vocabulary(value: Callable[[str], Any]) -> Told:
    task = value("task")
    named = str(task.get("type") if isinstance(task, dict) else task)
    if not value("base.vocabulary.tokens") or not vars(catalog.load("task", named)).get("generates"):
        return
    metric = value("evaluation.metric")
    if metric is not None and vars(catalog.load("metric", metric))["unit"].endswith("per token"):
        yield (("evaluation", "metric"), f"`evaluation.metric: {metric}` counts by the token, and `base.vocabulary` "
               "gives the tuned model other tokens than the base has", "name `bits_per_byte`, or leave it out")
    if value("data.too_long") == "cut":
        yield (("data", "too_long"), "`data.too_long: cut` would cut base and tuned at different places, for "
               "`base.vocabulary` gives them different tokens", "use `split` or `drop`")


RULES: tuple[Callable[[Callable[[str], Any]], Told], ...] = (
    _shares, _divided, _mix, _same_files, _also_trained, _patience, _evaluations, _metric, _vocabulary)
