"""The examples of each side: read as the recipe says, split, mixed, and held against what the task takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..data import aside, documents, split
from ..data.load import Loaded, load
from ..data.system import with_system
from ..data.turns import last_only
from ..data.varied import varied
from ..encoding.thinking import without_thoughts
from ..errors import Misuse
from ..recipe.sources import MAIN
from ..records import SIDES, Conversation, Example, Finding, Side
from . import parts
from .answers import ask

if TYPE_CHECKING:
    from ..recipe.sections import Recipe
    from ..recipe.sources import Rows


@dataclass(frozen=True)
class Read:
    """What the files of a recipe hold.

    sides: the examples of each; in training and validation those of the recipe's own files come first, then each source
    of `data.mix`, and each has its source's name where anything is mixed in. sources: how many examples each of them
    gave to train on, in that order; none where nothing is mixed in; held: the same of the validation side. also: the
    rows of each entry of `evaluation.also` that are measured; left: how many more rows those files have.
    """

    sides: Mapping[Side, Sequence[Example]]
    sources: Mapping[str, int]
    also: Mapping[str, Sequence[Example]]
    left: Mapping[str, int]
    findings: list[Finding]
    held: Mapping[str, int]


def read_sides(recipe: Recipe) -> Read:
    """Examples of each side as the recipe wants them, and what was noticed."""
    sides, findings = _own_sides(recipe)
    asides = {name: _aside(recipe, name, findings) for name in recipe.evaluation.also}
    also = {name: measured for name, (measured, _) in asides.items()}
    mixed = {name: _mixed(recipe, name, also, findings) for name in recipe.data.mix}
    findings += _learnt_too(sides["train"], also)
    sources: dict[str, int] = {}
    held: dict[str, int] = {}
    if mixed:
        learnt = {name: examples for name, (examples, _) in mixed.items()}
        sides["train"], sources = _joined(sides["train"], learnt)
        sides["validation"], held = _joined(sides["validation"], {name: some for name, (_, some) in mixed.items()})
    left = {name: more for name, (_, more) in asides.items()}
    sides, leaks = split.apart(sides, recipe.data.leaks)
    held = {name: sum(example.source == name for example in sides["validation"]) for name in held}
    return Read(sides, sources, also, left, findings + leaks, held)


def _joined(
    own: Sequence[Example], mixed: Mapping[str, Sequence[Example]]
) -> tuple[tuple[Example, ...], dict[str, int]]:
    """The training file's own rows and then those of each source, each with its source's name; and how many of each."""
    parts = {MAIN: [replace(example, source=MAIN) for example in own], **mixed}
    joined = tuple(example for examples in parts.values() for example in examples)
    return joined, {name: len(examples) for name, examples in parts.items()}


def _own_sides(recipe: Recipe) -> tuple[dict[Side, Sequence[Example]], list[Finding]]:
    """What `data.train`, `data.validation` and `data.test` name, split."""
    findings: list[Finding] = []
    named = {"train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}
    files: dict[str, list[Example]] = {side: [] for side in SIDES}
    for side, wanted in named.items():
        if isinstance(wanted, float):
            continue
        loaded = load(
            wanted, format=recipe.data.format, columns=recipe.data.columns, group=recipe.data.group,
            header=recipe.data.header,
        )
        findings += loaded.findings
        if recipe.data.format is None:
            findings += _recognised(loaded, f"data.{side}")
        texts = documents.shaped(taken(recipe, loaded.examples), recipe.data.documents,
                                 by_group=recipe.data.group is not None)
        if recipe.data.documents.characters:
            findings.append(Finding("note", "data.documents", f"the {len(loaded.examples)} rows of `data.{side}` make "
                                    f"{len(texts)} texts", f"data.{side}"))
        files[side] = [shaped(recipe, example, recipe.data.system) for example in texts]
    shares = {side: wanted if isinstance(wanted, float) else 0.0 for side, wanted in named.items()}
    parts = split.split(files["train"], shares["validation"], shares["test"], seed=recipe.training.seed)
    findings += split.empty_sides(parts, shares["validation"], shares["test"]) if files["train"] else []
    parts["train"], told = varied(parts["train"], recipe.data.augment, seed=recipe.training.seed, ask=ask)
    findings += told
    return {side: parts[side] if side == "train" else (*parts[side], *files[side]) for side in SIDES}, findings


def _mixed(
    recipe: Recipe, name: str, also: Mapping[str, Sequence[Example]], findings: list[Finding]
) -> tuple[Sequence[Example], Sequence[Example]]:
    """The rows of a source that are trained on, and those that are held out: all but those that are measured."""
    option, rows = f"data.mix.{name}", recipe.data.mix[name]
    examples = taken(recipe, _loaded(rows, option, findings))
    for other, measured in also.items():
        marked = aside.marks(measured)
        left = [example for example in examples if not aside.known(example, marked)]
        if len(left) < len(examples):
            findings.append(Finding(
                "note", "data.mix_aside", f"{len(examples) - len(left)} of {len(examples)} rows of `{option}` are "
                f"measured by `evaluation.also.{other}`, and so not trained on", option,
                "nothing, unless too few are left: then lower `rows` there"))
        examples = left
    if not examples:
        findings.append(Finding("error", "data.empty", f"no row of `{option}` is left to train on", option,
                                "give it more rows, or take it out"))
    examples = [replace(shaped(recipe, example, rows.system), source=name) for example in examples]
    parts = split.split(examples, rows.validation, 0.0, seed=recipe.training.seed)
    return parts["train"], parts["validation"]


def _aside(recipe: Recipe, name: str, findings: list[Finding]) -> tuple[Sequence[Example], int]:
    """The rows of an entry of `evaluation.also` that are measured, and how many more it has."""
    rows = recipe.evaluation.also[name]
    examples = _loaded(rows, f"evaluation.also.{name}", findings)
    drawn = aside.drawn(examples, rows.rows, seed=recipe.training.seed)
    part = parts.of_entry(recipe, name) if parts.parts(recipe) else ""
    return [replace(shaped(recipe, example, rows.system), source=part) for example in drawn], len(examples) - len(drawn)


def _loaded(rows: Rows, option: str, findings: list[Finding]) -> Sequence[Example]:
    """The examples of files that stand under an option of their own, which the findings then name."""
    loaded = load(rows.files, format=rows.format, columns=rows.columns, header=rows.header)
    own = {"data.columns": f"{option}.columns", "data.format": f"{option}.format",
           "data.header": f"{option}.header",
           "data: {columns": f"{option}: {{columns"}
    for finding in loaded.findings:
        what, where, remedy = finding.what, finding.where, finding.remedy
        for general, here in own.items():
            what, where, remedy = (text.replace(general, here) for text in (what, where, remedy))
        findings.append(replace(finding, what=what, where=where, remedy=remedy))
    if rows.format is None:
        findings += _recognised(loaded, option)
    return loaded.examples


def _recognised(loaded: Loaded, option: str) -> list[Finding]:
    if not loaded.format:
        return []
    return [Finding("note", "data.format", f"`{option}` holds {len(loaded.examples)} rows, read as `{loaded.format}`",
                    option)]


def _learnt_too(train: Sequence[Example], also: Mapping[str, Sequence[Example]]) -> list[Finding]:
    """A warning for each entry of `evaluation.also` with rows that are trained on."""
    marked = aside.marks(train) if also else set()
    leaks = {name: [example for example in examples if aside.known(example, marked)]
             for name, examples in also.items()}
    return [
        Finding("warning", "data.leak", f"{len(found)} of {len(also[name])} rows of `evaluation.also.{name}` are in "
                "the train side too: what is measured there was partly learnt", found[0].where,
                "take these rows out of one of the two files")
        for name, found in leaks.items() if found
    ]


def shaped(recipe: Recipe, example: Example, system: str | None) -> Example:
    """The example with a default system prompt, and with the turns and thoughts that are to be learnt."""
    example = with_system(example, system)
    if not isinstance(example, Conversation):
        return example
    example = last_only(example) if recipe.data.turns == "last" else example
    return without_thoughts(example) if recipe.data.thinking == "no_think" else example


def taken(recipe: Recipe, examples: Sequence[Example]) -> Sequence[Example]:
    """The examples, if the task takes their kind; raises Misuse otherwise."""
    takes = recipe.task.module.takes
    strange = next((example for example in examples if not isinstance(example, takes)), None)
    if strange is None:
        return examples
    kinds = " or ".join(f"{kind.__name__.lower()}s" for kind in takes)
    raise Misuse(
        "task.examples", f"task `{recipe.task.type}` takes {kinds}, and the data holds"
        f" {type(strange).__name__.lower()}s", strange.where,
        "use another `task`, or say in `data.format` and `data.columns` how the rows are to be read",
    )
