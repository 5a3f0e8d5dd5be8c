"""The facts of a page, gathered from where they stand, and the page written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...evaluation import predictions, verdict
from ...evaluation.answers import worst_first
from ...pages.curves import Points
from ...pages.verdict import Judged, verdict_page
from ...runs import durable, lineage, records
from ...runs.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...contracts import Metric
    from ...runs.folder import Run


def write_verdict(run: Run, metrics: Mapping[str, Metric], facts: Mapping[str, str]) -> None:
    """Write `verdict.html` beside the verdict, from the files of the run alone.

    metrics: those of its recipe, and of the rows that were measured elsewhere.
    """
    found = verdict.from_json(durable.read_json(run.verdict_file))
    losses, held_out = losses_of(run)
    kept = predictions.read(run.predictions_file)
    page = verdict_page(Judged(
        run=run.name, verdict=found, metrics=metrics, facts=facts, losses=losses, held_out=held_out,
        best=min(held_out, key=lambda point: point[1])[0] if held_out else None,
        answers=worst_first(kept, found.primary, metrics[found.primary]) if found.primary in metrics else (),
        lineage=lineage.read(run.lineage_file) if run.lineage_file.exists() else {},
        recipe=redacted(run.recipe_file.read_text(encoding="utf-8")), rows=kept,
    ))
    durable.write_file(run.page_file, page.encode())


def losses_of(run: Run) -> tuple[Points, Points]:
    """The loss of every step, and the validation loss where it was measured."""
    found: dict[str, list[tuple[int, float]]] = {"step": [], "evaluation": []}
    for record in records.read(run.records_file):
        loss: Any = record.get("loss")
        if record.get("kind") in found and isinstance(loss, float | int):
            found[record["kind"]].append((int(record["step"]), float(loss)))
    return found["step"], found["evaluation"]
