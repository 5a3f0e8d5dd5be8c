"""From what a program reports to figures: seconds, tokens and operations of each step, and what they come to."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flops
from results import Book, spelt

Sizes = Sequence[Sequence[tuple[int, int, int]]]  # of each step its documents: tokens, rows to compute, targets


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one process. measured: neither the first, nor one in which something was compiled."""

    tokens: int
    targets: int
    seconds: float
    operations: float
    measured: bool


def strangers(report: Any, sizes: Sizes) -> list[tuple[int, ...]]:
    """Documents, as sizes, that the program had and was not given, or was given and did not have; in any order."""
    if report.get("steps") is None:
        return []
    told = Counter(tuple(document) for step in report["steps"] for document in step)
    given = Counter(document for step in sizes for document in step)
    return sorted(((told - given) + (given - told)).elements())


def steps(report: Any, sizes: Sizes, shape: flops.Shape, rank: int | None) -> list[Step]:
    """The steps of a report; `sizes` where the report does not tell its own."""
    ended, graphs = report["stamps"], report.get("graphs") or [0] * len(report["stamps"])
    made = []
    for place, documents in enumerate(report.get("steps") or sizes):
        before = ended[place - 1] if place else report["begun"]
        operations = flops.step(shape, [(rows, targets) for _, rows, targets in documents], rank).total
        made.append(Step(
            tokens=sum(tokens for tokens, _, _ in documents), targets=sum(targets for _, _, targets in documents),
            seconds=ended[place] - before - report["asides"][place], operations=operations,
            measured=place > 0 and graphs[place] == graphs[place - 1],
        ))
    return made


def tell(book: Book, job: str, contender: str, found: Sequence[Step], reports: Sequence[Any], roof: float) -> float:
    """Add what the steps come to; returns the mean of tokens a second. roof: operations a second."""
    counted = [step for step in found if step.measured] or list(found)
    speeds = [step.tokens / step.seconds for step in counted]
    low, middle, high = statistics.quantiles(speeds, n=4) if len(speeds) > 1 else speeds * 3
    seconds = sum(step.seconds for step in counted)
    mean = sum(step.tokens for step in counted) / seconds
    versions = next((spelt(report["versions"]) for report in reports if report.get("versions")), "")

    def add(quantity: str, value: float, **more: Any) -> None:
        book.add(job, contender, quantity, value, count=len(counted), versions=versions, **more)

    add("tokens/s median", middle, low=low, high=high)
    add("tokens/s mean", mean)
    add("tokens/s, all steps", sum(step.tokens for step in found) / sum(step.seconds for step in found))
    add("supervised tokens/s", sum(step.targets for step in counted) / seconds)
    add("share of roof", sum(step.operations for step in counted) / seconds / roof)
    add("peak GB", max(report["peak_bytes"] for report in reports) / 1e9)
    return mean


def median(book: Book, job: str, contender: str, quantity: str, values: Sequence[float]) -> None:
    """Add the median of repeated measurements, with its quartiles where there are enough."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else (None, values[0], None)
    book.add(job, contender, quantity, middle, low=low, high=high, count=len(values))
