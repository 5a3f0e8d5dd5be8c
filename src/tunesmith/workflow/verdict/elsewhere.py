"""The rows of `evaluation.also` in the verdict: each entry's word, and a finding where tuning cost something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import Misuse, raise_all
from ...evaluation import forgetting, verdict
from ...metrics import bits_per_byte
from ...recipe import Section
from ...recipe.starred import named
from ...records import Elsewhere, Finding, Pair, Prediction, Verdict
from .. import parts
from ..preparing.prepare import Prepared
from .remedy import replay

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

Predictions = Mapping[int, Prediction]


def metrics_of(
    task: Section, named_by_recipe: str | None, *, answers: bool, vocabularies: bool = False
) -> dict[str, Any]:
    """A task's metrics and the one that the recipe names, by their names; without answers those of the loss alone.

    vocabularies: base and tuned read in different ones, so what is counted by the token says nothing.
    """
    found = {metric.__name__.rsplit(".", 1)[-1]: metric for metric in task.module.metrics}
    if named_by_recipe is not None:
        found.setdefault(named_by_recipe, named("metric", named_by_recipe))
    if vocabularies:
        own = {name: metric for name, metric in found.items() if not metric.unit.endswith("per token")}
        found = {"bits_per_byte": bits_per_byte, **own}
    return {name: metric for name, metric in found.items() if answers or metric.needs == "loss"}


def vocabularies(recipe: Recipe) -> bool:
    """Whether the base is asked in its own vocabulary and the tuned model in an extended one."""
    return bool(recipe.base.vocabulary.tokens) and bool(recipe.task.module.generates)


def refuse_missing(recipe: Recipe) -> None:
    """Raise Misuse for every metric named that lacks a library: before anything is trained, not after."""
    wanted = {recipe.evaluation.metric, *(other.metric for other in recipe.evaluation.also.values())}
    missing: list[Misuse] = []
    for metric in [named("metric", name) for name in sorted(filter(None, wanted))]:
        if metric.needs != "text":
            continue
        try:
            metric.measure(Prediction(0), Pair("", "", "", ""), metric.Settings())
        except Misuse as problem:
            missing.append(problem)
    raise_all(missing)


def metrics_of_entry(recipe: Recipe, prepared: Prepared, name: str) -> dict[str, Any]:
    """The metrics of an entry of `evaluation.also`."""
    task = parts.task(recipe, parts.of_entry(recipe, name)) if parts.parts(recipe) else prepared.also[name].task
    return metrics_of(task, recipe.evaluation.also[name].metric, answers=True, vocabularies=vocabularies(recipe))


def two(
    recipe: Recipe, prepared: Prepared, name: str, sides: Mapping[str, Predictions]
) -> dict[str, Predictions]:
    """The predictions of `base` and `tuned`; in the place of a base that cannot be asked stands its best stand-in."""
    rivals = {who: said for who, said in sides.items() if who != "tuned"}
    metrics, examples = metrics_of_entry(recipe, prepared, name), prepared.also[name].examples
    metric = metrics[recipe.evaluation.also[name].metric or next(iter(metrics))]
    best = verdict.strongest(rivals, sides["tuned"], examples, metric, seed=recipe.training.seed)
    return {"base": rivals[best], "tuned": sides["tuned"]}


def with_others(
    found: Verdict, recipe: Recipe, prepared: Prepared, measured: Mapping[str, Mapping[str, Predictions]]
) -> Verdict:
    """The verdict with what tuning did elsewhere. measured: of each entry, the predictions of `base` and `tuned`."""
    also: dict[str, Elsewhere] = {}
    findings: list[Finding] = []
    for name, sides in measured.items():
        other, wanted = prepared.also[name], recipe.evaluation.also[name].metric
        metrics = metrics_of_entry(recipe, prepared, name)
        also[name] = forgetting.elsewhere(
            sides["base"], sides["tuned"], other.examples, metrics, wanted or next(iter(metrics)),
            task=other.task.type, digest=other.digest, seed=recipe.training.seed,
        )
        findings += forgetting.findings(name, also[name], metrics, replay(recipe, name, other))
    return replace(found, also=also, findings=(*found.findings, *findings))
