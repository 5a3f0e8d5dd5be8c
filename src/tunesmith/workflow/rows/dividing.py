"""How the rows of `data.train` are divided: by what a file remembers, by time, by labels, or by chance alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import scratch
from ...data import groups, remembered, times
from ...data.placed import Placed, Wanted, latest, placed
from ...data.remembered import Keeping, Remembered
from ...records import Finding

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

HELD = ("validation", "test")


@dataclass(frozen=True)
class Divided:
    """The side of each row, what of it is to be remembered, and what was noticed."""

    placed: Placed
    keeping: Keeping | None
    findings: list[Finding]


def divide(
    recipe: Recipe, found: groups.Clusters, count: int, rule: groups.Rule, moments: Sequence[float]
) -> Divided:
    """The first rows divided, as many as `count` says. moments: the time of each, where they are divided by time."""
    both = {"validation": recipe.data.validation, "test": recipe.data.test}
    shares = {side: wanted if isinstance(wanted, float) else 0.0 for side, wanted in both.items()}
    path = Path(recipe.data.sides) if recipe.data.sides else None
    known = remembered.read(path) if path else Remembered()
    seed = known.facts.get("seed", recipe.training.seed)
    wanted = Wanted(shares, seed, stratify=recipe.data.stratify, known=known.sides)
    dates: Mapping[str, str] = {}
    if recipe.data.time.column is not None and len(moments):
        wanted, dates = _by_time(recipe, found, np.asarray(moments, np.float64), known, wanted)
    made = placed(found, count, rule, wanted)
    if path is None:
        return Divided(made, None, [*made.findings, *_moving(recipe, dates)])
    digests, sides = made.groups()
    before = np.array([group in known.sides for group in digests.tolist()], np.bool_)
    keeping = Keeping(path, {"seed": seed, **shares, **dates}, digests, sides, before, bool(known.facts))
    return Divided(made, keeping, [*made.findings, *_other_shares(known, shares, path)])


def _by_time(
    recipe: Recipe, found: groups.Clusters, moments: times.Times, known: Remembered, wanted: Wanted
) -> tuple[Wanted, dict[str, str]]:
    """What is wanted, with the times from which on rows are held out; and those that followed from shares, as dates."""
    time = recipe.data.time
    named = times.given({"validation": time.validation_from, "test": time.test_from}, wanted.shares)
    before = {side: moment for side in HELD if side not in named and wanted.shares[side]
              and (moment := times.moment(known.facts.get(f"{side}_from"))) is not None}
    _, unit_of = scratch.distinct(found.first[: len(moments)])
    sizes = np.bincount(unit_of)
    cuts = times.cuts(latest(moments, unit_of, len(sizes)), sizes, wanted.shares, {**before, **named})
    dates = {name: date for name, date in cuts.as_json().items() if name.removesuffix("_from") not in named}
    return Wanted(wanted.shares, wanted.seed, moments, cuts, known=wanted.known), dates


def _moving(recipe: Recipe, dates: Mapping[str, str]) -> list[Finding]:
    """Notes of what decides about rows and follows from the others, so that it moves when some are added."""
    remedy = "name a file in `data.sides` where rows will be added"
    found = [Finding("note", "data.moving", "the dates from which on rows are held out follow from the shares, and "
                     "move when rows are added", "data.time", f"write them into `data.time`, or {remedy}")] if dates \
        else []
    if recipe.data.stratify:
        found.append(Finding("note", "data.moving", "which rows of a label are held out depends on how many it has",
                             "data.stratify", remedy))
    return found


def _other_shares(known: Remembered, shares: Mapping[str, float], path: Path) -> list[Finding]:
    """A warning for shares that are not those with which a file of sides was begun."""
    return [
        Finding("warning", "data.sides_differ", f"`data.{side}` is {shares[side]:g}, and `{path.name}` was begun with "
                f"{known.facts[side]:g}: groups in it keep their side, only new ones follow the recipe", f"data.{side}",
                "set it back, or name another file in `data.sides` and measure earlier runs anew")
        for side in HELD if known.facts.get(side, shares[side]) != shares[side]
    ]
