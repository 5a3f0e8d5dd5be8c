"""The examples of each side: read as the recipe says, split, mixed, and held against what the task takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import scratch
from ...data import aside, groups, split
from ...data.remembered import Keeping
from ...data.shelf import laid, picked
from ...data.system import with_system
from ...data.turns import last_only
from ...data.varied import varied
from ...encoding.templates.thinking import without_thoughts
from ...recipe.sources import MAIN
from ...records import SIDES, Alike, Conversation, Example, Finding, Side
from .. import parts
from .answers import ask
from .gathered import Gathered, gather, learnt, taken

if TYPE_CHECKING:
    from ...recipe.sections import Recipe


@dataclass(frozen=True)
class Read:
    """What the files of a recipe hold.

    sides: the examples of each; in training and validation those of the recipe's own files come first, then each source
    of `data.mix`, and each has its source's name where anything is mixed in. sources: how many examples each of them
    gave to train on, in that order; none where nothing is mixed in; held: the same of the validation side. also: the
    rows of each entry of `evaluation.also` that are measured; left: how many more rows those files have; alike: rows
    that are nearly the same as others, as they stood in the files; keeping: what the file of sides is to remember;
    split: groups of each side, rows of the largest group, rows on no side.
    """

    sides: Mapping[Side, Sequence[Example]]
    sources: Mapping[str, int]
    also: Mapping[str, Sequence[Example]]
    left: Mapping[str, int]
    findings: list[Finding]
    held: Mapping[str, int]
    alike: Sequence[Alike] = ()
    keeping: Keeping | None = None
    split: Mapping[str, Any] = field(default_factory=dict)


def read_sides(recipe: Recipe) -> Read:
    """Examples of each side as the recipe wants them, and what was noticed."""
    found = gather(recipe)
    findings = found.findings
    sides = _own_sides(recipe, found, findings)
    asides = {name: _aside(recipe, name, examples) for name, examples in found.also.items()}
    also = {name: measured for name, (measured, _) in asides.items()}
    mixed = {name: _mixed(recipe, name, examples, also, findings) for name, examples in found.mix.items()}
    findings += _learnt_too(sides["train"], also)
    sources: dict[str, int] = {}
    held: dict[str, int] = {}
    if mixed:
        learnt = {name: examples for name, (examples, _) in mixed.items()}
        sides["train"], sources = _joined(sides["train"], learnt)
        sides["validation"], held = _joined(sides["validation"], {name: some for name, (_, some) in mixed.items()})
    left = {name: more for name, (_, more) in asides.items()}
    sides, leaks = split.apart(sides, recipe.data.leaks, found.own)
    held = {name: sum(example.source == name for example in sides["validation"]) for name in held}
    return Read(sides, sources, also, left, findings + leaks, held, found.alike, found.divided.keeping,
                _told(sides, found))


def _told(sides: Mapping[Side, Sequence[Example]], found: Gathered) -> dict[str, Any]:
    """How many groups each side has, the rows of the largest one, and how many are on no side."""
    distinct = {side: scratch.distinct(groups.numbers(examples)) for side, examples in sides.items()}
    return {"groups": {side: len(first) for side, (first, _) in distinct.items()},
            "largest": max((int(np.bincount(which).max(initial=0)) for _, which in distinct.values()), default=0),
            "set_aside": found.divided.placed.set_aside}


def _joined(
    own: Sequence[Example], mixed: Mapping[str, Sequence[Example]]
) -> tuple[Sequence[Example], dict[str, int]]:
    """The training file's own rows and then those of each source, each with its source's name; and how many of each."""
    parts = {MAIN: picked(own, range(len(own)), lambda example, _: replace(example, source=MAIN)), **mixed}
    return laid(list(parts.values())), {name: len(examples) for name, examples in parts.items()}


def _own_sides(
    recipe: Recipe, found: Gathered, findings: list[Finding]
) -> dict[Side, Sequence[Example]]:
    """What `data.train`, `data.validation` and `data.test` name, split."""
    files = found.files
    validation, test = (wanted if isinstance(wanted, float) else 0.0
                        for wanted in (recipe.data.validation, recipe.data.test))
    parts = found.divided.placed.parts(files["train"])
    findings += split.empty_sides(parts, validation, test) if files["train"] else []
    own = len(parts["train"])
    held = laid([rows for side in SIDES[1:] for rows in (parts[side], files[side])])
    parts["train"], told = varied(parts["train"], recipe.data.augment, seed=recipe.training.seed, ask=ask,
                                  held=held)
    taken(recipe, parts["train"][own:])
    findings += told
    whole = {side: parts[side] if side == "train" else laid([parts[side], files[side]]) for side in SIDES}
    return {side: _shaped(recipe, examples, recipe.data.system) for side, examples in whole.items()}


def _mixed(
    recipe: Recipe, name: str, examples: Sequence[Example], also: Mapping[str, Sequence[Example]],
    findings: list[Finding],
) -> tuple[Sequence[Example], Sequence[Example]]:
    """The rows of a source that are trained on, and those that are held out: all but those that are measured."""
    option, rows = f"data.mix.{name}", recipe.data.mix[name]
    for other, measured in also.items():
        marked = aside.marks(measured)
        left = picked(examples, [place for place, example in enumerate(examples) if not aside.known(example, marked)])
        if len(left) < len(examples):
            findings.append(Finding(
                "note", "data.mix_aside", f"{len(examples) - len(left)} of {len(examples)} rows of `{option}` are "
                f"measured by `evaluation.also.{other}`, and so not trained on", option,
                "nothing, unless too few are left: then lower `rows` there"))
        examples = left
    if not examples:
        findings.append(Finding("error", "data.empty", f"no row of `{option}` is left to train on", option,
                                "give it more rows, or take it out"))
    named = _shaped(recipe, examples, rows.system, source=name)
    parts = split.split(named, rows.validation, 0.0, seed=recipe.training.seed)
    return parts["train"], parts["validation"]


def _aside(recipe: Recipe, name: str, examples: Sequence[Example]) -> tuple[Sequence[Example], int]:
    """The rows of an entry of `evaluation.also` that are measured, and how many more it has."""
    rows = recipe.evaluation.also[name]
    drawn = aside.drawn(examples, rows.rows, seed=recipe.training.seed)
    part = parts.of_entry(recipe, name) if parts.parts(recipe) else ""
    return _shaped(recipe, drawn, rows.system, source=part), len(examples) - len(drawn)


def _learnt_too(train: Sequence[Example], also: Mapping[str, Sequence[Example]]) -> list[Finding]:
    """A warning for each entry of `evaluation.also` with rows that are trained on."""
    marked = aside.marks(train) if also else set()
    leaks = {name: [example for example in examples if aside.known(example, marked)]
             for name, examples in also.items()}
    return [
        Finding("warning", "data.leak", f"{len(found)} of {len(also[name])} rows of `evaluation.also.{name}` are in "
                "the train side too, or nearly: what is measured there was partly learnt", found[0].where,
                "take these rows out of one of the two files")
        for name, found in leaks.items() if found
    ]


def _shaped(
    recipe: Recipe, examples: Sequence[Example], system: str | None, *, source: str | None = None
) -> Sequence[Example]:
    """The examples as they are learnt, and where it is given with the name of their source."""
    def change(example: Example, place: int) -> Example:
        made = shaped(recipe, example, system)
        return made if source is None else replace(made, source=source)

    return picked(examples, range(len(examples)), change)


def shaped(recipe: Recipe, example: Example, system: str | None) -> Example:
    """The example with a default system prompt, and with the turns and thoughts that are to be learnt."""
    example = with_system(learnt(recipe, example), system)
    if not isinstance(example, Conversation):
        return example
    example = last_only(example) if recipe.data.turns == "last" else example
    return without_thoughts(example) if recipe.data.thinking == "no_think" else example
