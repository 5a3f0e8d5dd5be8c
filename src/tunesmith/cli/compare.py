"""Set runs beside one another: recipes, losses, verdicts, and which tuned model is better.

Each later run is held against the first on the rows that both were judged by, with a 95% interval. `--html FILE`
writes it as a page as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DONE
from ._output import BOLD, DIM, GREEN, RED, YELLOW, Screen

if TYPE_CHECKING:
    from ..evaluation.comparison import Beside, Compared, Comparison
    from ..records import Elsewhere

STYLES = {"better": GREEN, "worse": RED, "not proven": YELLOW}
WIDEST = 28
NONE = "–"


def add(parser: argparse.ArgumentParser) -> None:
    """Take two runs or more."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="runs' folders; the others are held against the first")
    parser.add_argument("--html", metavar="FILE", help="write a page to look at as well")


def run(arguments: argparse.Namespace) -> int:
    """Show what differs, and what it did."""
    from ..workflow.verdict import compare

    screen: Screen = arguments.screen
    paths = [Path(path) for path in arguments.runs]
    found = compare.compare(paths)
    if arguments.html:
        compare.write(found, paths, Path(arguments.html))
    if screen.as_json:
        screen.answer(found.as_json() | ({"page": arguments.html} if arguments.html else {}))
        return DONE
    _show(found, screen)
    if arguments.html:
        screen.say(f"\npage     {arguments.html}")
    return DONE


def _show(found: Comparison, screen: Screen) -> None:
    from ..evaluation.comparison import LETTERS

    letters = LETTERS[: len(found.runs)]
    for letter, each in zip(letters, found.runs, strict=True):
        screen.say(f"{letter}  {each.run}" + ("" if each.finished else "  (not finished)"))
    _table("options that differ", letters, [
        (each.name, [_option(value, origin) for value, origin in zip(each.told(), each.origins, strict=True)])
        for each in found.options], screen)
    _table("loss", letters, list(_losses(found.runs)), screen)
    _table("against the base", letters, list(_verdicts(found.runs)), screen)
    for pair in found.pairs:
        _pair(pair, letters, screen)
    _table("lineage that differs", letters, [(each.name, [_cell(value) for value in each.values])
                                             for each in found.lineage], screen)


def _losses(runs: Sequence[Compared]) -> Iterator[tuple[str, list[str]]]:
    ends = [each.ends() for each in runs]
    yield "steps", [f"{each.steps:,}" for each in runs]
    for name, title in (("first", "training, first step"), ("last", "training, last tenth"),
                        ("validation_last", "validation, last"), ("validation_lowest", "validation, lowest"),
                        ("validation_lowest_step", "  at step")):
        if any(end[name] is not None for end in ends):
            yield title, [_cell(end[name]) for end in ends]


def _verdicts(runs: Sequence[Compared]) -> Iterator[tuple[str, list[str]]]:
    verdicts = [each.verdict for each in runs]
    yield "verdict", [each.word if each else NONE for each in verdicts]
    yield "decided by", [each.primary if each else NONE for each in verdicts]
    for name in dict.fromkeys(name for each in verdicts if each for name in each.metrics):
        yield name, [f"{each.metrics[name].against:.4g} → {each.metrics[name].tuned:.4g}"
                     if each and name in each.metrics else NONE for each in verdicts]
    for name in dict.fromkeys(name for each in verdicts if each for name in each.also):
        yield f"elsewhere, {name}", [_elsewhere(each.also[name]) if each and name in each.also else NONE
                                     for each in verdicts]


def _elsewhere(other: Elsewhere) -> str:
    one = other.metrics[other.primary]
    return f"{other.word}: {one.against:.4g} → {one.tuned:.4g}"


def _pair(pair: Beside, letters: str, screen: Screen) -> None:
    first, second = letters[pair.against], letters[pair.tuned]
    screen.say()
    screen.say(f"{second} against {first}, both tuned, on the same held-out rows", BOLD)
    if pair.refused:
        screen.say(f"not compared: {pair.refused}", YELLOW)
        return
    screen.say(f"{'metric':<14}{first:>12}{second:>12}{'difference':>12}   95% interval", DIM)
    for name, one in pair.metrics.items():
        screen.write(f"{name:<14}{one.against:>12.4f}{one.tuned:>12.4f}{one.difference:>+12.4f}   {one.low:+.4f} … "
                     f"{one.high:+.4f}   {one.rows} rows in {one.groups} groups   ")
        screen.say(pair.words[name], STYLES[pair.words[name]])
    for name, why in (pair.left_out or {}).items():
        screen.say(f"{name}: left out, {why}")


def _table(title: str, letters: str, rows: Sequence[tuple[str, Sequence[str]]], screen: Screen) -> None:
    screen.say()
    if not rows:
        screen.say(f"{title}: none", BOLD)
        return
    table = [(title, list(letters)), *rows]
    first = max(len(name) for name, _ in table)
    widths = [max(len(cells[place]) for _, cells in table) for place in range(len(letters))]
    for number, (name, cells) in enumerate(table):
        line = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        screen.say(f"{name:<{first}}  {line}".rstrip(), "" if number else BOLD)


def _option(value: Any, origin: str) -> str:
    return _cell(value) + (" (default)" if "default" in origin else "") if origin != "absent" else NONE


def _cell(value: Any) -> str:
    """A value in a column: numbers short, long texts by their ends."""
    if value is None:
        return NONE
    told = f"{value:.4g}" if isinstance(value, float) else str(value)
    return told if len(told) <= WIDEST else f"{told[:12]}…{told[-(WIDEST - 13):]}"
