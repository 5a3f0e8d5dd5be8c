"""Differences with their intervals beside a zero line: right of it is better, however a metric counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..contracts import Metric
from ..records import Measured
from .markup import Markup, join, prose, tag
from .numbers import many, short, signed

HALF: Final = 100  # of the drawing's own width


def table(
    measured: Mapping[str, Measured], metrics: Mapping[str, Metric], primary: str, *, names: tuple[str, str],
    decides: bool = True,
) -> Markup:
    """A row a metric, the primary one first.

    names: of the side compared with, and of the other; decides: whether the primary one does.
    """
    ordered = sorted(measured.items(), key=lambda pair: pair[0] != primary)
    head = tag("tr", *(tag("th", name, at={"scope": "col", "role": "columnheader"}) for name in (
        "metric", *names, "difference", "worse \u2190 0 \u2192 better", "95 % interval")), at={"role": "row"})
    rows = (_row(name, one, metrics.get(name), decides=decides and name == primary, names=names)
            for name, one in ordered)
    return tag("table.differences", tag("thead", head, at={"role": "rowgroup"}),
               tag("tbody", rows, at={"role": "rowgroup"}), at={"role": "table"})


def kind(one: Measured, metric: Metric | None) -> str:
    """`better`, `worse` or `open`: on which side of zero the whole interval lies."""
    if one.low <= 0 <= one.high:
        return "open"
    return "better" if (one.low > 0) == (metric is None or metric.higher_is_better) else "worse"


def drawing(one: Measured, metric: Metric | None) -> Markup:
    """The interval as a bar, the difference as a mark on it, zero in the middle; the words are in its label."""
    sign = 1 if metric is None or metric.higher_is_better else -1
    reach = max(abs(one.low), abs(one.high), abs(one.difference)) * 1.05 or 1.0

    def place(value: float) -> float:
        return round(HALF + sign * value / reach * HALF, 2)

    left, right = sorted((place(one.low), place(one.high)))
    bar = tag("rect", at={"x": str(left), "width": str(max(round(right - left, 2), 0.8)), "y": "7", "height": "10",
                          "class": "bar"})
    middle = str(place(one.difference))
    mark = tag("line", at={"x1": middle, "x2": middle, "y1": "3", "y2": "21", "class": "mark"})
    zero = tag("line", at={"x1": str(HALF), "x2": str(HALF), "y1": "0", "y2": "24", "class": "zero"})
    words = f"{kind(one, metric)}: from {signed(one.low)} to {signed(one.high)}, zero in the middle"
    axis = tag("line", at={"x1": "0", "x2": str(2 * HALF), "y1": "12", "y2": "12", "class": "axis"})
    return tag("svg.difference", axis, zero, bar, mark, at={
        "viewBox": f"0 0 {2 * HALF} 24", "preserveAspectRatio": "none", "role": "img",
        "aria-label": words.replace("open", "not proven")})


def _row(
    name: str, one: Measured, metric: Metric | None, *, decides: bool, names: tuple[str, str]
) -> Markup:
    unit = f"{metric.unit}, {'higher' if metric.higher_is_better else 'lower'} is better" if metric else ""
    title = tag("th", tag("span.name", prose(f"`{name}`")), tag("span.tagged", "decides") if decides else None,
                tag("span.unit", unit), at={"scope": "row", "role": "rowheader"})
    interval = join(f"{signed(one.low)} to {signed(one.high)}",
                    tag("span.unit", f"{many(one.rows, 'row')}, {many(one.groups, 'group')}"))
    return tag(
        f"tr.{kind(one, metric)}", title,
        _cell(names[0], short(one.against)), _cell(names[1], short(one.tuned)),
        _cell("difference", signed(one.difference)),
        tag("td.drawn", drawing(one, metric), at={"role": "cell"}),
        tag("td.number.interval", interval, at={"role": "cell", "data-name": "95 % interval"}),
        at={"role": "row"},
    )


def _cell(name: str, value: str) -> Markup:
    return tag("td.number", value, at={"data-name": name, "role": "cell"})
