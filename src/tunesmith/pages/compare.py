"""Runs beside one another as a page: which is better, their losses over one another, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..contracts import Metric
from ..evaluation.comparison import ABSENT, LETTERS, Beside, Comparison, Differing
from ..records import Elsewhere
from . import curves, differences
from .markup import Markup, join, prose, tag
from .numbers import short
from .shell import UPLOT, page


def compare_page(found: Comparison, metrics: Mapping[str, Metric]) -> str:
    """The page as HTML. metrics: by name, for units and directions."""
    body = join(
        _head(found), *(_pair(pair, metrics) for pair in found.pairs), _options(found), _curves(found),
        _verdicts(found, metrics), _lineage(found),
    )
    return page(" against ".join(each.name for each in found.runs), body,
                files=("verdict.css", "compare.css", *UPLOT, "curves.js"))


def headline(found: Comparison) -> str:
    """What can be said in one line: of two runs which is better, by the metric that decided the first one's verdict."""
    decided = found.runs[0].verdict
    if len(found.runs) > 2:
        return f"{len(found.runs)} runs"
    word = found.pairs[0].words.get(decided.primary) if decided else None
    if word is None:
        return "A and B"
    return "Neither is proven better" if word == "not proven" else f"B is {word} than A"


def _head(found: Comparison) -> Markup:
    runs = (
        tag("div", tag("dt", tag(f"span.key.colour-{place}"), LETTERS[place]),
            tag("dd", each.name, tag("span.unit", f"{each.base}, {each.task}, {each.steps:,} steps"
                                     + ("" if each.finished else ", not finished"))))
        for place, each in enumerate(found.runs)
    )
    return tag("header", tag("p.overline", "Comparison"), tag("h1", headline(found)), tag("dl.runs", runs))


def _pair(pair: Beside, metrics: Mapping[str, Metric]) -> Markup:
    first, second = LETTERS[pair.against], LETTERS[pair.tuned]
    title = f"{second} against {first}"
    if pair.refused:
        shown = tag("p", prose(f"Not compared: {pair.refused}."))
    else:
        shown = join(
            differences.table(pair.metrics, metrics, next(iter(pair.metrics)), names=(first, second), decides=False),
            tag("p.aside", f"Both tuned models on the same held-out rows: {second} minus {first} with its 95 % "
                f"interval, turned so that right of the zero line {second} is better."),
            *(tag("p.aside", prose(f"`{name}` is left out: {why}.")) for name, why in (pair.left_out or {}).items()))
    return tag("section", tag("h2", title), shown, at={"aria-label": title})


def _options(found: Comparison) -> Markup:
    shown = _table(found.options, found, "options that differ") if found.options else \
        tag("p", "The recipes do not differ in any option.")
    return tag("section", tag("h2", "Options that differ"), shown, at={"aria-label": "Options that differ"})


def _curves(found: Comparison) -> Markup | None:
    drawn: list[curves.Curve] = []
    for place, each in enumerate(found.runs):
        if each.losses:
            # one line a run: the single steps of several runs over one another would hide them all
            drawn.append(curves.training(each.losses, name=f"{LETTERS[place]} training loss", colour=place)[-1])
        if each.held_out:
            drawn.append(curves.Curve(f"{LETTERS[place]} validation loss", each.held_out, "dots", place))
    if not drawn:
        return None
    label = f"Losses of {len(found.runs)} runs; the numbers are in the table below."
    return tag("section", tag("h2", "Loss"), curves.figure("loss", drawn, label), at={"aria-label": "Loss"})


def _verdicts(found: Comparison, metrics: Mapping[str, Metric]) -> Markup:
    parts: list[Markup] = []
    for place, each in enumerate(found.runs):
        if each.verdict is None:
            parts.append(tag("div.elsewhere", tag("h3", f"{LETTERS[place]}: no verdict yet")))
            continue
        one = each.verdict
        parts.append(tag(
            "div.elsewhere", tag("h3", f"{LETTERS[place]} against {one.against} ", _tagged(one.word)),
            differences.table(one.metrics, metrics, one.primary, names=(one.against, "tuned")),
            *(_elsewhere(name, other) for name, other in one.also.items())))
    return tag("section", tag("h2", "Each against its base"), *parts, at={"aria-label": "Each against its base"})


def _elsewhere(name: str, other: Elsewhere) -> Markup:
    measured = other.metrics[other.primary]
    return tag("p", f"Elsewhere, {name} ", _tagged(other.word),
               f" {other.primary} {short(measured.against)} → {short(measured.tuned)}")


def _tagged(word: str) -> Markup:
    return tag(f"span.tagged.{word.replace(' ', '-')}", word)


def _lineage(found: Comparison) -> Markup:
    shown = _table(found.lineage, found, "lineage that differs") if found.lineage else \
        tag("p", "Data, base, tokenizer, template, versions and machine are the same.")
    return tag("section", tag("h2", "What they were made from, where it differs"), shown,
               at={"aria-label": "Lineage"})


def _table(rows: Sequence[Differing], found: Comparison, label: str) -> Markup:
    head = tag("tr", tag("th", "", at={"scope": "col", "aria-label": "name"}),
               *(tag("th", LETTERS[place], at={"scope": "col"}) for place in range(len(found.runs))))
    body = (tag("tr", tag("th", tag("code", each.name), at={"scope": "row"}),
                *(_cell(value, each.origins[place] if each.origins else "")
                  for place, value in enumerate(each.told()))) for each in rows)
    return tag("div.scroll", tag("table.options", tag("thead", head), tag("tbody", body)),
               at={"tabindex": "0", "role": "region", "aria-label": label})


def _cell(value: Any, origin: str) -> Markup:
    if value is None and origin in ("", ABSENT):
        return tag("td", tag("span.unit", "absent"))
    told = short(value) if isinstance(value, float) else str(value)
    return tag("td", told, tag("span.unit", origin.rpartition("/")[2]) if origin else None)
