"""How a job goes, from its run's own files: events, checkpoints, and the table of its results."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..runs import checkpoints, durable, records
from ..runs.folder import Run
from .entries import Event, Job

COLUMNS = ("step", "train_loss", "valid_loss")


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint. metrics: what the run's records say of its step."""

    id: str
    created_at: int
    step: int
    metrics: Mapping[str, float]


def events(run: Run, beyond: int) -> tuple[list[Event], int]:
    """What the records tell from that byte on, and where they end now; from the start where they were cut back."""
    file = run.records_file
    size = file.stat().st_size if file.exists() else 0
    if size == beyond:
        return [], beyond
    with file.open("rb") as opened:
        opened.seek(beyond if size > beyond else 0)
        whole = opened.read().rpartition(b"\n")
        end = opened.tell() - len(whole[2])
    found = [event for raw in whole[0].splitlines() if (event := _event(records.parsed(raw, str(file))))]
    return found, end


def saved(job: Job, run: Run | None) -> list[Saved]:
    """The checkpoints, the newest first; with the loss of their steps."""
    if run is None or not run.checkpoints.is_dir():
        return []
    losses = _losses(run)
    found: dict[int, Saved] = {}
    for path in run.checkpoints.iterdir():
        named = checkpoints.FOLDER.fullmatch(path.name)
        manifest = path / "manifest.json"
        if named is None or not manifest.is_file():
            continue
        step = int(named[1])
        found[step] = Saved(f"ftckpt-{_digest(job.id, str(step))}", int(manifest.stat().st_mtime), step,
                            losses.get(step, {"step": step}))
    return [found[step] for step in sorted(found, reverse=True)]


def table(run: Run) -> bytes:
    """The results as CSV: a line a step, with the loss on the validation rows where they were measured."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for metrics in _losses(run).values():
        writer.writerow({**metrics, "valid_loss": metrics.get("full_valid_loss", "")})
    return text.getvalue().encode()


def tokens(run: Run) -> int:
    """How many tokens were trained on."""
    return sum(line["tokens"] for line in records.read(run.records_file) if line["kind"] == "step")


def result_id(job: Job) -> str:
    """The id of the results' file: the same whenever it is made again."""
    return f"file-{_digest(job.id, 'results')}"


def verdict(run: Run) -> str:
    """The verdict in a sentence."""
    if not run.verdict_file.is_file():
        return "no rows were held out, so there is no verdict"
    found = durable.read_json(run.verdict_file)
    return f"the verdict on held-out rows: {found['verdict']}"


def _event(line: Mapping[str, Any]) -> Event | None:
    if line["kind"] == "step":
        data = {"step": line["step"], "train_loss": line["loss"], "learning_rate": line["rate"]}
        return Event(f"step {line['step']}: training loss={_number(line['loss'])}", "info", data,
                     f"step {line['step']}")
    if line["kind"] == "evaluation":
        data = {"step": line["step"], "full_valid_loss": line["loss"]}
        return Event(f"step {line['step']}: full validation loss={_number(line['loss'])}", "info", data,
                     f"evaluation {line['step']}")
    return None


def _losses(run: Run) -> dict[int, dict[str, float]]:
    """What the records say of each step."""
    found: dict[int, dict[str, float]] = {}
    for line in _lines(run):
        metrics = found.setdefault(line["step"], {"step": line["step"]})
        metrics["train_loss" if line["kind"] == "step" else "full_valid_loss"] = line["loss"]
    return found


def _lines(run: Run) -> Iterator[dict[str, Any]]:
    return (line for line in records.read(run.records_file) if line["kind"] in ("step", "evaluation"))


def _number(loss: float | None) -> str:
    return f"{loss:.4f}" if loss is not None else "not finite"


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:24]
