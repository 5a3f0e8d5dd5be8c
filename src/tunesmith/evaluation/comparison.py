"""Several runs beside one another: where their recipes differ, how far their losses came, which of them is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..contracts import Metric
from ..records import Measured, Verdict
from . import verdict
from .intervals import paired
from .predictions import TUNED, Kept, statistics

Points = Sequence[tuple[int, float]]
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the runs. losses: of each step; held_out: on validation; verdict: None where it has none."""

    run: str
    name: str
    base: str
    task: str
    steps: int
    finished: bool
    losses: Points
    held_out: Points
    verdict: Verdict | None

    def ends(self) -> dict[str, float | int | None]:
        """How far the losses came: the first step's, the mean of the last tenth of all steps, the best held out."""
        last = [loss for _, loss in self.losses[-max(1, len(self.losses) // 10):]]
        step, lowest = min(self.held_out, key=lambda point: point[1]) if self.held_out else (None, None)
        return {
            "first": self.losses[0][1] if self.losses else None, "last": sum(last) / len(last) if last else None,
            "validation_last": self.held_out[-1][1] if self.held_out else None, "validation_lowest": lowest,
            "validation_lowest_step": step,
        }


@dataclass(frozen=True, slots=True)
class Differing:
    """An option, or a field of the lineage, with its value in each run; None where a run has none.

    origins: `file:line`, with `default` where the value is the option's default, or `absent`.
    """

    name: str
    values: tuple[Any, ...]
    origins: tuple[str, ...] = ()

    def told(self) -> tuple[Any, ...]:
        """The values for a reader: of lists of sections their names, or where these are the same what differs."""
        lists = [each for each in self.values if each is not None]
        if not any(lists) or not all(isinstance(each, list | tuple) and all(
                isinstance(one, dict) and "type" in one for one in each) for each in lists):
            return self.values
        names = [tuple(one["type"] for one in each) for each in lists]
        same = len(set(names)) == 1
        return tuple(None if each is None else ", ".join(_differing(each, lists) if same else (
            one["type"] for one in each)) or "none" for each in self.values)


def _differing(sections: Sequence[Mapping[str, Any]], all_of_them: Sequence[Any]) -> list[str]:
    """The options of sections in which not all of several lists of the same sections agree."""
    return [f"{section['type']}.{name}: {value}" for place, section in enumerate(sections)
            for name, value in section.items() if any(other[place].get(name) != value for other in all_of_them)]


@dataclass(frozen=True, slots=True)
class Beside:
    """Two tuned models on the same held-out rows: `tuned` minus `against`, both indices of runs.

    refused: why they cannot be held against each other, else empty; left_out: metrics that cannot, with the reason.
    """

    against: int
    tuned: int
    metrics: Mapping[str, Measured]
    words: Mapping[str, str]
    refused: str = ""
    left_out: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Comparison:
    """What `tunesmith compare` found; every pair is a later run beside the first."""

    runs: Sequence[Compared]
    options: Sequence[Differing]
    lineage: Sequence[Differing]
    pairs: Sequence[Beside]

    def as_json(self) -> dict[str, Any]:
        """The comparison under the names that `compare --json` promises."""
        return {
            "runs": [
                {"run": each.run, "base": each.base, "task": each.task, "steps": each.steps, "finished": each.finished,
                 "losses": each.ends(), "verdict": verdict.as_json(each.verdict) | {"examples": []}
                 if each.verdict else None}
                for each in self.runs
            ],
            "options": [{"option": each.name, "values": list(each.values), "origins": list(each.origins)}
                        for each in self.options],
            "lineage": [{"field": each.name, "values": list(each.values)} for each in self.lineage],
            "paired": [
                {"against": self.runs[pair.against].run, "tuned": self.runs[pair.tuned].run,
                 "metrics": {name: {**asdict(one), "word": pair.words[name]} for name, one in pair.metrics.items()},
                 "refused": pair.refused or None, "left_out": dict(pair.left_out or {})}
                for pair in self.pairs
            ],
        }


def beside(
    rows: tuple[Sequence[Kept], Sequence[Kept]], metrics: Mapping[str, Metric], *, places: tuple[int, int], seed: int,
    left_out: Mapping[str, str],
) -> Beside:
    """The tuned models of two runs on the rows that both have measured, which must be the same rows.

    metrics: those that both runs can be measured by; places: which runs these are; left_out: is handed on.
    """
    first, second = ({kept.row: kept for kept in side} for side in rows)
    shared = sorted(first.keys() & second.keys())
    measured: dict[str, Measured] = {}
    for name, metric in metrics.items():
        wanted = [row for row in shared if first[row].has(name) and second[row].has(name)]
        if wanted:
            against_RK, tuned_RK = (statistics(name, [side[row] for row in wanted], TUNED)
                                    for side in (first, second))
            groups = [first[row].group for row in wanted]
            measured[name] = paired(metric, against_RK, tuned_RK, groups, seed=seed)
    words = {name: str(verdict.word(one, metrics[name])) for name, one in measured.items()}
    refused = "" if measured else "no held-out row was measured in both runs"
    return Beside(*places, measured, words, refused, left_out)
