"""Runs gathered from their folders and set beside one another; nothing is computed anew but intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import Misuse, raise_all
from ...evaluation import predictions, verdict
from ...evaluation.comparison import ABSENT, Beside, Compared, Comparison, Differing, beside
from ...pages.compare import compare_page
from ...pages.place import demand_page
from ...recipe import read
from ...recipe.options import every
from ...recipe.origins import DEFAULT, Origin, origins
from ...recipe.write import values
from ...runs import durable, folder, lineage
from ...runs.folder import Run
from ...runs.redact import redacted
from .judge import metrics_of, primary
from .pages import losses_of

if TYPE_CHECKING:
    from ...contracts import Metric
    from ...recipe.sections import Recipe

NAMES_ONLY = frozenset({"run.name", "run.folder"})  # where a run lies says nothing of what it is
MOST = 6


def compare(paths: Sequence[Path]) -> Comparison:
    """The runs beside one another, each later one beside the first.

    Raises Misuse for fewer than two or more than six runs, the same twice, or a folder that holds none.
    """
    runs = [folder.open_run(path) for path in paths]
    _demand_several(runs)
    recipes = [read.read(run.recipe_file) for run in runs]
    lineages = [lineage.read(run.lineage_file) if run.lineage_file.exists() else {} for run in runs]
    gathered = [_gathered(run, recipe) for run, recipe in zip(runs, recipes, strict=True)]
    kept = [predictions.read(run.predictions_file) for run in runs]
    pairs = []
    for place in range(1, len(runs)):
        both = (gathered[0], gathered[place])
        refused = _refused(both, (lineages[0], lineages[place]))
        metrics, left_out = _measurable((recipes[0], recipes[place]), (lineages[0], lineages[place]))
        pairs.append(Beside(0, place, {}, {}, refused) if refused else beside(
            (kept[0], kept[place]), metrics, places=(0, place), seed=recipes[0].training.seed, left_out=left_out))
    told = [replace(each, values=tuple(redacted(each.values))) for each in options(runs)]
    return Comparison(gathered, told, fields(lineages), pairs)


def write(found: Comparison, paths: Sequence[Path], file: Path) -> None:
    """Write the comparison as a page. Raises Misuse where the file is something else than a page, or cannot be."""
    demand_page(file)
    metrics: dict[str, Metric] = {}
    for path in paths:
        metrics |= metrics_of(read.read(folder.open_run(path).recipe_file))
    durable.write_file(file, compare_page(found, metrics).encode())


def options(runs: Sequence[Run]) -> list[Differing]:
    """Every option in which two of the runs' recipes differ, with its value and its origin in each."""
    found = [{name: origin for name, origin in origins(run.recipe_file).items() if name not in NAMES_ONLY}
             for run in runs]
    defaults = [_defaults(read.read(run.recipe_file)) for run in runs]
    differing = []
    for name in dict.fromkeys(name for each in found for name in each):
        told = [each.get(name) for each in found]
        if any(_value(one) != _value(told[0]) or (one is None) != (told[0] is None) for one in told):
            differing.append(Differing(name, tuple(map(_value, told)), tuple(
                _origin(one, default.get(name, ABSENT)) for one, default in zip(told, defaults, strict=True))))
    return differing


def fields(lineages: Sequence[Mapping[str, Any]]) -> list[Differing]:
    """Every field in which two of the lineages differ, with its value in each."""
    differing: dict[str, list[Any]] = {}
    for place, other in enumerate(lineages[1:], start=1):
        for each in lineage.differences(lineages[0], other):
            differing.setdefault(each.field, [each.old] * len(lineages))[place] = each.new
    return [Differing(name, tuple(differing[name])) for name in sorted(differing)]


def _demand_several(runs: Sequence[Run]) -> None:
    problems = []
    if not 2 <= len(runs) <= MOST:
        problems.append(Misuse("compare.runs", f"`compare` sets two to {MOST} runs beside one another, not {len(runs)}",
                               "", "name the runs' folders; `tunesmith list` tells them"))
    seen: set[Path] = set()
    for run in runs:
        if run.path.resolve() in seen:
            problems.append(Misuse("compare.twice", f"`{run.path}` is named twice", str(run.path), "name it once"))
        seen.add(run.path.resolve())
    raise_all(problems)


def _gathered(run: Run, recipe: Recipe) -> Compared:
    status = folder.status(run)
    found = verdict.from_json(durable.read_json(run.verdict_file)) if run.verdict_file.exists() else None
    return Compared(str(run.path), run.name, recipe.base.name, recipe.task.type, status.steps, status.finished,
                    *losses_of(run), found)


def _refused(runs: tuple[Compared, Compared], lineages: tuple[Mapping[str, Any], Mapping[str, Any]]) -> str:
    """Why the two may not be held against each other, or nothing."""
    if missing := [run.name for run in runs if run.verdict is None]:
        return f"`{missing[0]}` has no verdict yet"
    sides = [_judged_on(run) for run in runs]
    digests = [each.get("digests", {}).get(f"data_{side}") for each, side in zip(lineages, sides, strict=True)]
    if None in digests or digests[0] != digests[1]:
        return "their held-out rows differ: what one was judged on, the other may have learnt"
    return ""


def _judged_on(run: Compared) -> str:
    found = run.verdict.findings if run.verdict else ()
    return "validation" if any(finding.kind == "verdict.on_validation" for finding in found) else "test"


def _measurable(
    recipes: tuple[Recipe, Recipe], lineages: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics of both recipes, the first one's primary foremost; and those that are left out, with the reason."""
    first, second = map(metrics_of, recipes)
    ordered = sorted(first.items(), key=lambda pair: pair[0] != primary(recipes[0]))
    shared = {name: metric for name, metric in ordered if name in second}
    same = [{name: each.get("digests", {}).get(name) for name in ("tokenizer", "template")} for each in lineages]
    if same[0] == same[1]:
        return shared, {}
    why = "it counts tokens, and the runs have other tokenizers or templates"
    return ({name: metric for name, metric in shared.items() if metric.needs != "loss"},
            {name: why for name, metric in shared.items() if metric.needs == "loss"})


def _defaults(recipe: Recipe) -> dict[str, Any]:
    return {".".join(map(str, path)): option.info.get_default(call_default_factory=True, validated_data={})
            for path, option in every(values(recipe)).items() if option.inner is None and not option.info.is_required()}


def _value(told: Origin | None) -> Any:
    return None if told is None else told.value


def _origin(told: Origin | None, default: Any) -> str:
    if told is None:
        return ABSENT
    return f"{told.origin} ({DEFAULT})" if told.value == default and told.origin != DEFAULT else told.origin
