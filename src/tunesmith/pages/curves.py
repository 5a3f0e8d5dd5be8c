"""Loss curves: drawn in SVG here, and handed to uPlot as numbers where scripts run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Literal

from .markup import Markup, data, join, tag
from .numbers import many, short

WIDTH, HEIGHT = 1000, 400  # of the SVG's own grid; it is stretched to the page's width
STRETCHES: Final = 250
FEW: Final = 20  # steps: up to here a mean over several would hide more than it shows
Look = Literal["faint", "line", "dots"]
Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss over steps. look: `faint` (each step), `line`, or `dots` (measured now and then); colour: its number."""

    name: str
    points: Points
    look: Look
    colour: int = 0


def training(losses: Points, *, name: str = "training loss", colour: int = 0) -> list[Curve]:
    """The loss of each step, and where there are more than a few, its mean over the last few."""
    if len(losses) <= FEW:
        return [Curve(name, losses, "line", colour)]
    wide = smoothing(len(losses))
    totals = [0.0, *accumulate(loss for _, loss in losses)]
    means = [(step, (totals[end] - totals[max(0, end - wide)]) / min(wide, end))
             for end, (step, _) in enumerate(losses, start=1)]
    return [Curve(f"{name}, each step", losses, "faint", colour),
            Curve(f"{name}, mean of {wide} steps", means, "line", colour)]


def smoothing(steps: int) -> int:
    """Over how many steps the mean is taken."""
    return max(3, round(steps / 25))


def thinned(points: Points) -> Points:
    """At most 1,000 of the points, none of them changed.

    More are cut into 250 equal stretches, of each of which the first, the last, the lowest and the highest stay: no
    spike is lost.
    """
    if len(points) <= 4 * STRETCHES:
        return points
    kept: list[tuple[int, float]] = []
    for stretch in range(STRETCHES):
        part = points[len(points) * stretch // STRETCHES : len(points) * (stretch + 1) // STRETCHES]
        wanted = {0, len(part) - 1, min(range(len(part)), key=lambda at: part[at][1]),
                  max(range(len(part)), key=lambda at: part[at][1])}
        kept += [part[at] for at in sorted(wanted)]
    return kept


def figure(identifier: str, curves: Sequence[Curve], label: str) -> Markup:
    """The curves, a legend, how they were thinned, and a table of their ends for who cannot see them."""
    drawn = [Curve(curve.name, thinned(curve.points), curve.look, curve.colour) for curve in curves if curve.points]
    if not drawn:
        return Markup()
    return tag(
        "figure.curves",
        data(f"{identifier}-data", aligned(drawn)),
        tag("div.plot", _svg(drawn), at={"id": identifier, "role": "img", "aria-label": label}),
        tag("ul.legend", (tag("li", tag(f"span.key.{curve.look}.colour-{curve.colour}"), curve.name)
                          for curve in drawn)),
        tag("figcaption", _thinning(curves)),
        _table(curves),
    )


def aligned(curves: Sequence[Curve]) -> dict[str, Any]:
    """As uPlot takes them: all steps once, and for each curve its loss there or null."""
    steps = sorted({step for curve in curves for step, _ in curve.points})
    return {
        "steps": steps,
        "curves": [
            {"name": curve.name, "look": curve.look, "colour": curve.colour,
             "losses": [None if loss is None else float(f"{loss:.6g}")
                        for loss in map(dict(curve.points).get, steps)]}
            for curve in curves
        ],
    }


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers that enclose the two."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / 4))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, max(last, first + 1) + 1)]


def _svg(curves: Sequence[Curve]) -> Markup:
    """Lines only; the numbers beside it are HTML, so that they keep their size when the drawing is stretched."""
    losses = [loss for curve in curves for _, loss in curve.points]
    marks = ticks(min(losses), max(losses))
    last = max(step for curve in curves for step, _ in curve.points)
    first = min(step for curve in curves for step, _ in curve.points)

    def place(step: int, loss: float) -> tuple[float, float]:
        along = (step - first) / ((last - first) or 1)
        return round(along * WIDTH, 1), round((marks[-1] - loss) / (marks[-1] - marks[0]) * HEIGHT, 1)

    grid = (tag("line", at={"x1": "0", "x2": str(WIDTH), "y1": str(place(first, mark)[1]),
                            "y2": str(place(first, mark)[1]), "class": "grid"}) for mark in marks)
    lines = (_line([place(*point) for point in curve.points], curve) for curve in curves)
    drawing = tag("svg", join(grid), join(lines), at={"viewBox": f"0 0 {WIDTH} {HEIGHT}", "aria-hidden": "true",
                                                      "preserveAspectRatio": "none", "focusable": "false"})
    return tag(
        "div.still",
        tag("div.losses", (tag("span", short(mark)) for mark in reversed(marks))),
        drawing,
        tag("div.steps", tag("span", f"step {first:,}"), tag("span", f"{last:,}")),
    )


def _line(places: Sequence[tuple[float, float]], curve: Curve) -> Markup:
    look = f"{curve.look} colour-{curve.colour}"
    path = "M" + " ".join(f"{x:g} {y:g}" for x, y in places)
    stroke = tag("path", at={"d": path, "class": look})
    if curve.look != "dots":
        return stroke
    # a line of no length with round ends is a dot that stays round however the drawing is stretched
    dots = " ".join(f"M{x:g} {y:g}h0" for x, y in places)
    return join(stroke, tag("path", at={"d": dots, "class": f"{look} points"}))


def _thinning(curves: Sequence[Curve]) -> str:
    longest = max(len(curve.points) for curve in curves)
    if longest <= 4 * STRETCHES:
        return f"Nats per supervised token, {many(longest, 'step')}, every one of them drawn."
    return (f"Nats per supervised token. Of {longest:,} steps, cut into {STRETCHES} equal stretches, the first, the "
            "last, the lowest and the highest of each stretch are drawn, unchanged: no spike is lost.")


def _table(curves: Sequence[Curve]) -> Markup:
    rows = (
        tag("tr", tag("th", curve.name, at={"scope": "row"}),
            *(tag("td.number", short(loss)) for loss in _ends([loss for _, loss in curve.points])))
        for curve in curves if curve.points
    )
    head = tag("tr", *(tag("th", name, at={"scope": "col"}) for name in ("curve", "first", "lowest", "last")))
    return tag("details", tag("summary", "The curves in numbers"),
               tag("div.scroll", tag("table", tag("thead", head), tag("tbody", rows)),
                   at={"tabindex": "0", "role": "region", "aria-label": "the curves in numbers"}))


def _ends(losses: Sequence[float]) -> tuple[float, float, float]:
    return losses[0], min(losses), losses[-1]
