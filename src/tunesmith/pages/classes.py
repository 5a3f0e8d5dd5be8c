"""Class by class: a bar for each, and a matrix of what was taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..evaluation.classes import Class, Confusion, confusions, labels_of, table
from ..evaluation.predictions import Kept
from .markup import Markup, join, tag
from .numbers import many, share

MOST_NAMED: Final = 24  # classes whose names fit beside a matrix
MOST_PAIRS: Final = 12
DARK: Final = 0.55  # of a row, from where a cell needs light letters
MOST_COUNTED: Final = 12  # classes whose counts fit into the cells of a matrix
WIDE, NARROW = 36, 20
LETTER: Final = 6.2  # of a name beside the matrix


def classes(rows: Sequence[Kept]) -> Markup | None:
    """The section; None where rows are not told apart by labels."""
    labels = labels_of(rows)
    if not labels:
        return None
    found, pairs = table(labels), confusions(labels)
    return tag(
        "section", tag("h2", "Class by class"),
        tag("p.aside", f"The tuned model on {many(len(labels), 'held-out row')}, the poorest class first."),
        _bars(found), _matrix(found, pairs) if pairs else None, _mistaken(pairs),
        at={"aria-label": "Class by class"},
    )


def _bars(found: Sequence[Class]) -> Markup:
    head = tag("tr", *(tag("th", name, at={"scope": "col"}) for name in (
        "class", "F1", "", "precision", "recall", "rows", "predicted")))
    body = (tag(
        "tr", tag("th", each.name, at={"scope": "row"}), tag("td.number", share(each.f1)),
        tag("td.drawn", _bar(each)), tag("td.number", share(each.precision)), tag("td.number", share(each.recall)),
        tag("td.number", f"{each.rows:,}"), tag("td.number", f"{each.predicted:,}"),
    ) for each in sorted(found, key=lambda each: (each.f1, -each.rows, each.name)))
    drawn = tag("table.classes", tag("thead", head), tag("tbody", body))
    scrolled = tag("div.scroll", drawn, at={"tabindex": "0", "role": "region", "aria-label": "Class by class"})
    return scrolled if len(found) <= MOST_NAMED else join(tag(
        "details", tag("summary", f"All {len(found)} classes"), scrolled, at={"open": True}))


def _bar(each: Class) -> Markup:
    return tag("svg.share", tag("rect", at={"width": f"{100 * each.f1:.1f}", "height": "10"}), at={
        "viewBox": "0 0 100 10", "preserveAspectRatio": "none", "aria-hidden": "true"})


def _matrix(found: Sequence[Class], pairs: Sequence[Confusion]) -> Markup:
    """Only cells with rows are drawn; each has its words as a title."""
    places = {each.name: place for place, each in enumerate(found)}
    sizes = {each.name: max(each.rows, 1) for each in found}
    named, cell = len(found) <= MOST_NAMED, WIDE if len(found) <= MOST_COUNTED else NARROW
    start = round(LETTER * max(len(_short(each.name)) for each in found)) + 12 if named else 0
    size = len(found) * cell
    cells = (_cell(each, (start + places[each.said] * cell, start + places[each.wanted] * cell), cell,
                   each.rows / sizes[each.wanted]) for each in pairs)
    names = (_name(each.name, start, start + place * cell + cell / 2) for place, each in enumerate(found)) \
        if named else ()
    frame = tag("rect", at={"x": str(start), "y": str(start), "width": str(size), "height": str(size),
                            "class": "frame"})
    label = (f"Confusion matrix of {many(len(found), 'class').replace('classs', 'classes')}: rows are what was wanted, "
             "columns what was said")
    return tag(
        "figure.matrix",
        tag("div.scroll", tag("svg", frame, *cells, *names, at={
            "viewBox": f"0 0 {start + size} {start + size}", "role": "img", "aria-label": label,
            "width": str(start + size), "height": str(start + size)}),
            at={"tabindex": "0", "role": "region", "aria-label": "Confusion matrix"}),
        tag("figcaption", "Confusion matrix: down what was wanted, across what was said; the darker, the larger the "
            "share of its row. A cell tells its names and its count when pointed at."),
    )


def _cell(each: Confusion, corner: tuple[int, int], cell: int, part: float) -> Markup:
    """A square, the darker the larger its part of the row; with its count where there is room for it."""
    x, y = corner
    square = tag("rect", tag("title", f"{each.wanted} \u2192 {each.said}: {many(each.rows, 'row')}"), at={
        "x": str(x + 1), "y": str(y + 1), "width": str(cell - 2), "height": str(cell - 2), "rx": "2",
        "class": "right" if each.wanted == each.said else "wrong", "fill-opacity": f"{0.12 + 0.88 * part:.2f}"})
    if cell < WIDE:
        return square
    count = tag("text", f"{each.rows}", at={"x": str(x + cell // 2), "y": str(y + cell // 2 + 4),
                                            "text-anchor": "middle", "class": "dark" if part > DARK else "light"})
    return join(square, count)


def _short(name: str) -> str:
    return name if len(name) <= MOST_NAMED else f"{name[: MOST_NAMED - 1]}\u2026"


def _name(name: str, start: int, middle: float) -> Markup:
    across = tag("text", _short(name), at={"x": str(start - 6), "y": f"{middle + 4:.1f}", "text-anchor": "end"})
    up = tag("text", _short(name), at={"transform": f"translate({middle + 4:.1f} {start - 6}) rotate(-90)"})
    return join(across, up)


def _mistaken(pairs: Sequence[Confusion]) -> Markup | None:
    """What was mistaken for what most often, for who cannot point at a cell."""
    wrong = [each for each in pairs if each.wanted != each.said][:MOST_PAIRS]
    if not wrong:
        return None
    head = tag("tr", *(tag("th", name, at={"scope": "col"}) for name in ("wanted", "said", "rows")))
    body = (tag("tr", tag("th", each.wanted, at={"scope": "row"}), tag("td", each.said),
                tag("td.number", f"{each.rows:,}")) for each in wrong)
    return tag("div.mistaken", tag("h3", "Mistaken most often"), tag("table", tag("thead", head), tag("tbody", body)))
