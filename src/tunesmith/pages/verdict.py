"""The verdict as a page: the word, the differences, the curves, the answers side by side, what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..contracts import Metric
from ..evaluation import report
from ..evaluation.answers import Answer
from ..evaluation.predictions import Kept
from ..records import Finding, Measured, Verdict
from . import curves, differences
from .answers import answers
from .classes import classes
from .findings import findings
from .markup import Markup, join, prose, tag
from .numbers import many, short, signed
from .shell import UPLOT, page

EQUAL: Final = "On rows held out from training, the tuned model and {against} did equally well by {primary}."
MEANING: Final = {
    "better": "On rows held out from training, the tuned model does better than {against}, by more than chance would "
              "bring about.",
    "worse": "On rows held out from training, the tuned model does worse than {against}, by more than chance would "
             "bring about.",
    "not proven": "The rows held out do not tell whether the tuned model is better than {against}: the difference is "
                  "too small for so few of them.",
}


@dataclass(frozen=True)
class Judged:
    """What the page shows of a run.

    metrics: by name, for units and directions; losses: of each step; held_out: the validation losses; best: the step
    whose checkpoint was judged, where one was chosen; lineage, recipe: as they stand in the run's folder; rows: as they
    were predicted.
    """

    run: str
    verdict: Verdict
    metrics: Mapping[str, Metric]
    facts: Mapping[str, str]
    losses: curves.Points
    held_out: curves.Points
    best: int | None
    answers: Sequence[Answer]
    lineage: Mapping[str, Any]
    recipe: str
    rows: Sequence[Kept] = ()


def verdict_page(judged: Judged) -> str:
    """The page as HTML."""
    body = join(
        _head(judged), _differences(judged), _baselines(judged), _findings(judged.verdict.findings),
        classes(judged.rows), _elsewhere(judged), _curves(judged),
        answers(judged.answers, judged.verdict.primary, judged.verdict.against), _lineage(judged), _foot(),
    )
    return page(f"{judged.verdict.word} \u00b7 {judged.run}", body,
                files=("verdict.css", *UPLOT, "curves.js", "answers.js"))


def table_of(facts: Mapping[str, Any], label: str) -> Markup:
    """Names beside values, nested ones by their dotted name."""
    rows = (tag("tr", tag("th", name, at={"scope": "row"}), tag("td", tag("code", str(value))))
            for name, value in flat(facts))
    return tag("div.scroll", tag("table.facts", tag("tbody", rows)),
               at={"tabindex": "0", "role": "region", "aria-label": label})


def flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested names joined by dots, in their order."""
    found: list[tuple[str, Any]] = []
    for name, value in facts.items():
        found += flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return found


def _head(judged: Judged) -> Markup:
    verdict, one = judged.verdict, judged.verdict.metrics[judged.verdict.primary]
    metric = judged.metrics.get(verdict.primary)
    kind = verdict.word.replace(" ", "-")
    numbers = tag(
        "dl.key-numbers",
        tag("div", tag("dt", verdict.against), tag("dd", short(one.against))),
        tag("div", tag("dt", "tuned"), tag("dd", short(one.tuned))),
        tag("div", tag("dt", "difference"), tag("dd", signed(one.difference))),
        tag("div.wide", tag("dt", f"95 % interval of {verdict.primary}"),
            tag("dd", differences.drawing(one, metric), tag("span", f"{signed(one.low)} to {signed(one.high)}"))),
    )
    told = {name: value for name, value in judged.facts.items() if name != "run"}
    facts = tag("dl.told", (tag("div", tag("dt", name), tag("dd", value))
                            for name, value in (told | {"steps": f"{len(judged.losses):,}"}).items()))
    return tag(
        f"header.{kind}",
        tag("p.overline", f"Verdict on {judged.run}"),
        tag("h1", verdict.word.capitalize()),
        tag("p.lead", _meaning(verdict, one)),
        numbers,
        tag("p", prose(report.sentence(verdict))),
        facts,
    )


def _meaning(verdict: Verdict, one: Measured) -> str:
    against = "its base" if verdict.against == "base" else verdict.against
    equal = verdict.word == "not proven" and one.difference == 0
    return (EQUAL if equal else MEANING[verdict.word]).format(against=against, primary=verdict.primary)


def _differences(judged: Judged) -> Markup:
    verdict = judged.verdict
    return tag(
        "section", tag("h2", "Differences"),
        differences.table(verdict.metrics, judged.metrics, verdict.primary, names=(verdict.against, "tuned")),
        tag("p.aside", f"Each bar is the 95 % interval of tuned minus {verdict.against}, each on a scale of its own, "
            "turned so that right of the zero line is better. A bar that touches the line proves nothing."),
        at={"aria-label": "Differences"},
    )


def _baselines(judged: Judged) -> Markup | None:
    """The other baselines: those that were not the hardest to be better than."""
    verdict = judged.verdict
    if not verdict.baselines:
        return None
    tables = (tag("div.elsewhere", tag("h3", f"Against {name}"), differences.table(
        measured, judged.metrics, verdict.primary, names=(name, "tuned"), decides=False))
        for name, measured in verdict.baselines.items() if measured)
    return tag(
        "section", tag("h2", "Other baselines"),
        tag("p.aside", f"The base has no head for this task. Of what can stand in for it, {verdict.against} did best, "
            "and decides; these did worse."), tables, at={"aria-label": "Other baselines"})


def _findings(found: Sequence[Finding]) -> Markup | None:
    if not found:
        return None
    return tag("section", tag("h2", "Beside the word"), findings(found), at={"aria-label": "Beside the word"})


def _elsewhere(judged: Judged) -> Markup | None:
    """What tuning did to rows that the run is not for."""
    verdict = judged.verdict
    if not verdict.also:
        return None
    files = (
        tag("div.elsewhere", tag("h3", name, " ", tag(f"span.tagged.{one.word.replace(' ', '-')}", one.word)),
            differences.table(one.metrics, judged.metrics, one.primary, names=(verdict.against, "tuned"))
            if one.metrics else tag("p.aside", "Nothing was measured."))
        for name, one in verdict.also.items()
    )
    return tag(
        "section", tag("h2", "Elsewhere"),
        tag("p.aside", "These rows are not what the run is for: they tell what tuning cost, and decide nothing. Kept: "
            "the whole interval is within 2 % of the base's value."), files, at={"aria-label": "Elsewhere"})


def _curves(judged: Judged) -> Markup | None:
    drawn = [*curves.training(judged.losses)] if judged.losses else []
    if judged.held_out:
        drawn.append(curves.Curve("validation loss", judged.held_out, "dots", 1))
    if not drawn:
        return None
    chosen = tag("p.aside", f"The checkpoint of step {judged.best:,} had the lowest validation loss: it was judged.") \
        if judged.best is not None else None
    label = f"Loss over {many(len(judged.losses), 'step')}; the numbers are in the table below."
    return tag("section", tag("h2", "Loss"), chosen, curves.figure("loss", drawn, label), at={"aria-label": "Loss"})


def _lineage(judged: Judged) -> Markup:
    parts = [tag("h2", "What it was made from")]
    titles = {"digests": "Digests (SHA-256)", "versions": "Versions", "chosen": "Chosen for this run",
              "machine": "Machine"}
    for name, title in titles.items():
        if isinstance(judged.lineage.get(name), Mapping):
            parts.append(tag("details", tag("summary", title), table_of(judged.lineage[name], title),
                             at={"open": name == "digests"}))
    if judged.recipe:
        parts.append(tag("details", tag("summary", "Recipe, every option"), tag(
            "div.scroll", tag("pre", judged.recipe), at={"tabindex": "0", "role": "region", "aria-label": "recipe"})))
    return tag("section", *parts, at={"aria-label": "What it was made from"})


def _foot() -> Markup:
    return tag(
        "footer", tag("p", prose(
            "The numbers are in `verdict.json`, every held-out row in `predictions.jsonl`, every step in "
            "`records.jsonl`, beside this page. It is one file that loads nothing and sends nothing.")))
