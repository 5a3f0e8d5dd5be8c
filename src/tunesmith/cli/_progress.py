"""A run as it is watched: a bar on a terminal, aligned lines into a pipe or a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..visible import visible
from ..workflow.events import Answered, Event, Found, Judged, Predicted, Said, Stepped
from ._findings import show_one
from ._output import Screen, clock, coloured, sized

LINES_OF_A_RUN = 100

Observe = Callable[[Event], None]


@contextlib.contextmanager
def watching(screen: Screen) -> Iterator[Observe]:
    """What to hand to the workflow as `observe`. All of it goes to stderr."""
    if not coloured(screen.err):
        yield lambda event: _tell(event, screen)
        return
    with _bar(screen) as bar:
        tasks: dict[str, Any] = {}
        yield lambda event: _draw(event, bar, tasks, screen)


def telling(screen: Screen) -> Observe:
    """What to hand to the workflow where no cursor may be moved, as under a screen reader: whole lines only."""
    return lambda event: _tell(event, screen)


def line_of(event: Stepped) -> str:
    """A step as a line: fixed order, aligned, with units."""
    width = len(str(event.total))
    speed = f"{event.tokens_per_second:>6.0f} tok/s   {sized(event.memory_bytes):>7}   left {clock(event.seconds_left)}"
    return f"step {event.step:>{width}}/{event.total}   loss {event.loss:<7.4f}   lr {event.rate:.1e}   {speed}"


def _tell(event: Event, screen: Screen) -> None:
    match event:
        case Said():
            screen.tell(event.text)
        case Found():
            show_one(event.finding, screen.tell)
        case Stepped():
            if _wanted(event.step, event.total):
                screen.tell(line_of(event))
        case Judged():
            screen.tell(_judged(event))
        case Answered():
            if event.done == event.total:
                screen.tell(f"answers of {event.who}: {event.total}")


def _draw(event: Event, bar: Any, tasks: dict[str, Any], screen: Screen) -> None:
    match event:
        case Stepped():
            facts = (f"loss {event.loss:.4f}  {event.tokens_per_second:.0f} tok/s  {sized(event.memory_bytes)}"
                     f"  left {clock(event.seconds_left)}")
            _advance(bar, tasks, "training", (event.step, event.total), facts)
        case Answered():
            _advance(bar, tasks, f"answers of {event.who}", (event.done, event.total), "")
        case Predicted():
            _advance(bar, tasks, "rows", (event.done, None), "")
        case Said():
            bar.console.print(visible(event.text), markup=False, highlight=False)
        case Judged():
            bar.console.print(_judged(event), markup=False, highlight=False)
        case Found():
            show_one(event.finding, lambda text, style: bar.console.print(visible(text), markup=False, highlight=False))


def _advance(bar: Any, tasks: dict[str, Any], name: str, reached: tuple[int, int | None], facts: str) -> None:
    done, total = reached
    if name not in tasks:
        tasks[name] = bar.add_task(name, total=total, facts=facts)
    bar.update(tasks[name], completed=done, total=total, facts=facts)


def _bar(screen: Screen) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False), console=Console(file=screen.err), refresh_per_second=4,
    )


def _wanted(number: int, total: int) -> bool:
    """The first, the last, and about a hundred lines in between."""
    return number in (1, total) or number % max(1, total // LINES_OF_A_RUN) == 0


def _judged(event: Judged) -> str:
    best = "   best so far" if event.best else ""
    return f"held-out loss after step {event.step}: {event.loss:.4f}{best}"
