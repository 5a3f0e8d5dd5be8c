"""All rows that a recipe names, read, and named after what belongs together among them, whichever file it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from ...data import documents, groups
from ...data.load import Loaded, load
from ...data.shelf import laid
from ...data.varied import itself
from ...errors import Misuse
from ...records import SIDES, Alike, Example, Finding, Side
from .dividing import Divided, divide

if TYPE_CHECKING:
    from ...recipe.sections import Recipe
    from ...recipe.sources import Rows


@dataclass(frozen=True)
class Gathered:
    """The rows of the files of each side, of each source that is mixed in, and of each entry of `evaluation.also`.

    alike: rows that are nearly the same as others; own: by the place of each row whose cluster has several groups the
    digest of its own one; divided: the sides of `data.train`.
    """

    files: Mapping[Side, Sequence[Example]]
    mix: Mapping[str, Sequence[Example]]
    also: Mapping[str, Sequence[Example]]
    alike: Sequence[Alike]
    own: Mapping[str, int]
    divided: Divided
    findings: list[Finding]


def gather(recipe: Recipe) -> Gathered:
    """Every row, in the group that decides its side."""
    findings: list[Finding] = []
    files, moments = _files(recipe, findings)
    also = {name: _loaded(rows, f"evaluation.also.{name}", findings) for name, rows in recipe.evaluation.also.items()}
    mix = {name: taken(recipe, _loaded(rows, f"data.mix.{name}", findings)) for name, rows in recipe.data.mix.items()}
    parts = [*files.values(), *mix.values(), *also.values()]
    rule = groups.Rule(recipe.data.near, groups.columns(recipe.data.group))
    clusters = groups.clusters(laid(parts), rule)
    shares = [share for share in (recipe.data.validation, recipe.data.test) if isinstance(share, float) and share]
    findings += groups.told(clusters, rule, min(shares, default=0.0))
    divided = divide(recipe, clusters, len(files["train"]), rule, moments)
    findings += divided.findings
    clusters = divided.placed.clusters
    starts = accumulate(map(len, parts), initial=0)
    named = iter([clusters.of(part, start) for part, start in zip(parts, starts, strict=False)])
    return Gathered({side: next(named) for side in files}, {name: next(named) for name in mix},
                    {name: next(named) for name in also}, clusters.alike, clusters.own_groups(), divided, findings)


def _files(recipe: Recipe, findings: list[Finding]) -> tuple[dict[Side, Sequence[Example]], Sequence[float]]:
    """What `data.train`, `data.validation` and `data.test` name, of a share no rows; and the times of the first."""
    named = {"train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}
    files: dict[Side, Sequence[Example]] = dict.fromkeys(SIDES, ())
    moments: Sequence[float] = ()
    for side in SIDES:
        wanted = named[side]
        if isinstance(wanted, float):
            continue
        loaded = load(
            wanted, format=recipe.data.format, columns=recipe.data.columns, group=recipe.data.group,
            header=recipe.data.header, time=recipe.data.time.column if side == "train" else None,
        )
        moments = loaded.times or moments
        findings += loaded.findings
        if recipe.data.format is None:
            findings += _recognised(loaded, f"data.{side}")
        files[side] = documents.shaped(taken(recipe, loaded.examples), recipe.data.documents,
                                       by_group=recipe.data.group is not None)
        if recipe.data.documents.characters:
            findings.append(Finding("note", "data.documents", f"the {len(loaded.examples)} rows of `data.{side}` make "
                                    f"{len(files[side])} texts", f"data.{side}"))
    return files, moments


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


def taken(recipe: Recipe, examples: Sequence[Example]) -> Sequence[Example]:
    """The examples, if the task takes them as they are learnt; raises Misuse otherwise."""
    takes = recipe.task.module.takes
    strange = next((example for example in examples if not isinstance(learnt(recipe, example), takes)), None)
    if strange is None:
        return examples
    kinds = " or ".join(f"{kind.__name__.lower()}s" for kind in takes)
    raise Misuse(
        "task.examples", f"task `{recipe.task.type}` takes {kinds}, and the data holds"
        f" {type(strange).__name__.lower()}s", strange.where,
        "use another `task`, or say in `data.format` and `data.columns` how the rows are to be read",
    )


def learnt(recipe: Recipe, example: Example) -> Example:
    """The example as the task takes it, where one of `data.augment` makes such of its kind; else as it is."""
    for way in recipe.data.augment:
        if not isinstance(example, recipe.task.module.takes):
            example = way.module.learnt(example, way.settings)
    return example


def takes(recipe: Recipe) -> tuple[type[Example], ...]:
    """The kinds of rows that may be asked about: what the task takes, and what `data.augment` makes such of."""
    others = [kind for way in recipe.data.augment if way.module.learnt is not itself for kind in way.module.takes]
    return tuple(dict.fromkeys((*recipe.task.module.takes, *others)))
