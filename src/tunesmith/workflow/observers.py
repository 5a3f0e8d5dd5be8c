"""Who else is told of a run: each event is handed on, and nothing that happens there comes back.

An observer that raises is left out from then on, with one warning: who watches a run may never change it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..contracts import RunFacts
from ..errors import Misuse, raise_all
from ..recipe.sections import Recipe
from ..recipe.write import leaves
from ..records import Finding, Verdict
from ..runs.folder import Run
from ..runs.redact import redacted
from .events import Event, Found, Judged, Said, Stepped

Observe = Callable[[Event], None]


def refuse_missing(recipe: Recipe) -> None:
    """Raise Misuse for every observer that lacks what it needs, together."""
    missing: list[Misuse] = []
    for section in recipe.run.observers:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                section.module.require(section.settings)
        except Misuse as problem:
            missing.append(problem)
    raise_all(missing)


@dataclass
class Told:
    """Takes the place of whoever watches, and tells the observers too."""

    observe: Observe
    handles: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Hand the event on, then tell it to the observers."""
        self.observe(event)
        match event:
            case Stepped():
                values = {
                    "loss": event.loss, "learning_rate": event.rate, "gradient_norm": event.gradient_norm,
                    "tokens_per_second": event.tokens_per_second, "memory_bytes": float(event.memory_bytes),
                }
                self.each(lambda module, handle: module.step(handle, event.step, values))
            case Judged():
                self.each(lambda module, handle: module.evaluation(handle, event.step, {"loss": event.loss}))

    def verdict(self, number: int, found: Verdict) -> None:
        """Tell the word, and of each metric both sides and their difference."""
        values = {
            f"{name}/{part}": value for name, metric in found.metrics.items()
            for part, value in (("against", metric.against), ("tuned", metric.tuned), ("difference", metric.difference))
        }
        self.each(lambda module, handle: module.verdict(handle, number, found.word, values))

    def each(self, tell: Callable[[Any, Any], None]) -> None:
        """Do something with every observer that is left."""
        for name, (module, handle) in list(self.handles.items()):
            with self.left_out(name):
                tell(module, handle)

    @contextmanager
    def left_out(self, name: str) -> Iterator[None]:
        """An observer that raises is told no more; what it prints is said, for stdout is for answers."""
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tracker does, the run goes on
            self.handles.pop(name, None)
            said = redacted((str(error).splitlines() or [""])[0][:200] or type(error).__name__)
            self.observe(Found(Finding(
                "warning", "observer.failed", f"observer `{name}` is left out from here on: {said}",
                "run.observers", "the run is not affected; its numbers stand in records.jsonl")))
        for line in printed.getvalue().splitlines():
            self.observe(Said(redacted(f"{name}: {line}")))


@contextmanager
def watching(run: Run, recipe: Recipe, observe: Observe, *, step: int) -> Iterator[Told]:
    """The observers of a run, open while the context lasts. step: the one that it goes on from, 0 at its start."""
    told = Told(observe)
    options: Mapping[str, Any] = redacted(leaves(recipe))
    for section in recipe.run.observers:
        with told.left_out(section.type):
            handle = section.module.open(RunFacts(run.name, run.path, options, step), section.settings)
            told.handles[section.type] = (section.module, handle)
    try:
        yield told
    finally:
        told.each(lambda module, handle: module.close(handle))
