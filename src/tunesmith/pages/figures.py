"""Figures of checks: bars by name, and histograms with the lines that matter drawn across them.

Places are shares of the width, never pixels, so that letters keep their size on a narrow screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..records import Figure
from .markup import Markup, join, tag, text
from .numbers import short

MOST_NAMES: Final = 200  # of bars: more are counted
UNFOLDED: Final = 16  # names that stand on the page without a frame to scroll in
COLOURS: Final = 6
PANEL: Final = 76  # pixels of a series of a histogram
BAR: Final = 7
TICKS: Final = (4, 5, 3, 6)  # the first by which the bins can be divided
LINE: Final = 15


def figure(drawn: Figure) -> Markup:
    """The figure with its title; series without a number other than 0 are left out, and one there must be."""
    series = {name: values for name, values in drawn.series.items() if any(values)}
    shown = _bins(drawn, series) if drawn.edges else _bars(drawn, series)
    return tag("figure.drawing", tag("figcaption", tag("h3", drawn.title), tag("span.unit", _counted(drawn))), shown)


def _counted(drawn: Figure) -> str:
    return f"{drawn.unit}, by {drawn.across}" if drawn.edges and drawn.across else drawn.unit


def _bars(drawn: Figure, series: Mapping[str, Sequence[float]]) -> Markup:
    """A table: each name with a bar and a number for each series."""
    most = max(max(values) for values in series.values())
    head = tag("tr", tag("th", "name", at={"scope": "col"}), tag("td", at={"aria-hidden": "true"}), (
        tag("th.number", _key(place), name or drawn.unit, at={"scope": "col"})
        for place, name in enumerate(series)))
    body = (_row(name, [values[place] for values in series.values()], most)
            for place, name in enumerate(drawn.names[:MOST_NAMES]))
    left = len(drawn.names) - MOST_NAMES
    return join(
        tag("div.scroll" + (".tall" if len(drawn.names) > UNFOLDED else ""),
            tag("table.bars", tag("thead", head), tag("tbody", body)),
            at={"tabindex": "0", "role": "region", "aria-label": drawn.title}),
        tag("p.aside", f"{left:,} more names are in the report's JSON.") if left > 0 else None)


def _row(name: str, values: Sequence[float], most: float) -> Markup:
    bars = (tag("rect", at={
        "y": str(place * BAR), "height": str(BAR - 1), "width": f"{max(0.4, 100 * value / most):.2f}%",
        "class": f"colour-{place % COLOURS}"}) for place, value in enumerate(values) if value > 0)
    return tag(
        "tr", tag("th", _breakable(name) if name else "(empty)", at={"scope": "row", "dir": "auto"}),
        tag("td.drawn", tag("svg", *bars, at={"height": str(len(values) * BAR), "aria-hidden": "true"})),
        (tag("td.number", short(value)) for value in values))


def _breakable(name: str) -> Markup:
    """A name such as `card_payment_failed`, that may go on in the next line where it has an underscore."""
    return Markup(text(name).replace("_", "_<wbr>"))


def _bins(drawn: Figure, series: Mapping[str, Sequence[float]]) -> Markup:
    """A panel for each series, each as high as its fullest bin, over one scale; then the same as a table."""
    inside = {name: _place(at, drawn.edges) for name, at in drawn.marks.items()}
    marks = {name: place for name, place in inside.items() if place is not None}
    outside = [f"{name} ({short(drawn.marks[name])})" for name, place in inside.items() if place is None]
    return join(
        _names_of(marks, drawn.marks) if marks else None,
        (_panel(drawn, name, values, place, list(marks.values()))
         for place, (name, values) in enumerate(series.items())),
        _ticks(drawn.edges),
        tag("p.aside", f"Outside of what is drawn: {', '.join(outside)}.") if outside else None,
        tag("details", tag("summary", "The numbers"), _numbers(drawn, series)))


def _panel(drawn: Figure, name: str, values: Sequence[float], place: int, marks: Sequence[float]) -> Markup:
    most, wide = max(values), 100 / len(values)
    bars = (tag("rect", tag("title", f"{_bin(drawn, number)}: {short(value)} {drawn.unit}"), at={
        "x": f"{number * wide + wide * 0.05:.2f}%", "width": f"{wide * 0.9:.2f}%", "y": f"{PANEL - high:.1f}",
        "height": f"{high:.1f}"})
        for number, value in enumerate(values) if value > 0
        for high in (max(1.5, (PANEL - 4) * value / most),))  # one row among thousands must still be seen
    fullest = values.index(most)
    said = f"{short(sum(values))} {drawn.unit}; the fullest bar, {_bin(drawn, fullest)}, has {short(most)}"
    lines = (tag("line.mark", at={"x1": f"{at:.2f}%", "x2": f"{at:.2f}%", "y1": "0", "y2": str(PANEL)})
             for at in marks)
    return join(
        tag("p.series", _key(place), tag("strong", name) if name else None, f" {said}"),
        tag(f"svg.panel.colour-{place % COLOURS}", *bars, *lines, at={
            "height": str(PANEL), "role": "img", "aria-label": f"{drawn.title}, {name}: {said}"}))


def _names_of(marks: Mapping[str, float], values: Mapping[str, float]) -> Markup:
    names = (tag("text", f"{name} {short(values[name])}", at={
        "x": f"{at:.2f}%", "y": str(LINE * place + 11), "text-anchor": _anchor(at)})
        for place, (name, at) in enumerate(marks.items()))
    return tag("svg.marks-of", *names, at={"height": str(LINE * len(marks)), "aria-hidden": "true"})


def _ticks(edges: Sequence[float]) -> Markup:
    last = len(edges) - 1
    ticks = next((number for number in TICKS if last % number == 0), TICKS[0])
    places = sorted({round(last * tick / ticks) for tick in range(ticks + 1)})
    names = (tag("text", short(edges[place]), at={
        "x": f"{100 * place / last:.2f}%", "y": "12",
        "text-anchor": "start" if place == 0 else "end" if place == last else "middle"}) for place in places)
    return tag("svg.ticks", *names, at={"height": "16", "aria-hidden": "true"})


def _numbers(drawn: Figure, series: Mapping[str, Sequence[float]]) -> Markup:
    head = tag("tr", tag("th", drawn.across or "from", at={"scope": "col"}),
               (tag("th.number", name or drawn.unit, at={"scope": "col"}) for name in series))
    body = (tag("tr", tag("th", _bin(drawn, number), at={"scope": "row"}),
                (tag("td.number", short(values[number])) for values in series.values()))
            for number in range(len(drawn.edges) - 1) if any(values[number] for values in series.values()))
    return tag("div.scroll.tall", tag("table.numbers", tag("thead", head), tag("tbody", body)),
               at={"tabindex": "0", "role": "region", "aria-label": f"{drawn.title}, the numbers"})


def _bin(drawn: Figure, number: int) -> str:
    return f"{short(drawn.edges[number])} to {short(drawn.edges[number + 1])} {drawn.across}".rstrip()


def _place(value: float, edges: Sequence[float]) -> float | None:
    """Where a value stands, in percent of the width, however wide the bin is that it falls into; None: outside."""
    if not edges[0] <= value <= edges[-1]:
        return None
    number = max(place for place, edge in enumerate(edges[:-1]) if edge <= value)
    low, high = edges[number], edges[number + 1]
    return 100 * (number + (value - low) / (high - low)) / (len(edges) - 1)


def _anchor(at: float) -> str:
    return "start" if at < 25 else "end" if at > 75 else "middle"


def _key(place: int) -> Markup:
    return tag(f"span.key.colour-{place % COLOURS}", at={"aria-hidden": "true"})
