"""The records of what a person is told: findings, measurements and verdicts. Rooms import them from `records`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check noticed. Errors refuse the run; warnings and notes are told."""

    severity: Severity
    kind: str
    what: str
    where: str = ""
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """The five parts under the names that `--json` promises."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "what": self.what,
            "where": self.where,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of a verdict: a difference (tuned minus against) and its 95% interval, in the metric's units.

    rows_needed: where zero is inside, about how many rows would have put it outside, if this difference is the true
    one; None where zero is outside already, or the difference is 0.
    """

    against: float
    tuned: float
    difference: float
    low: float
    high: float
    rows: int
    groups: int
    rows_needed: int | None = None

    @property
    def clear(self) -> bool:
        """Whether zero is outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What tuning did to other rows: one entry of `evaluation.also`. It stands beside the verdict, never decides it.

    `word` is of the `primary` metric: kept (the whole interval within 2% of the base's value), better, worse, else not
    proven. task: how the rows were measured; digest: of the examples' content, in hex. `examples` are as a verdict's.
    """

    word: Literal["kept", "better", "worse", "not proven"]
    primary: str
    task: str
    metrics: Mapping[str, Measured]
    digest: str
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tuned against the base on held-out rows: better, worse or not proven, by the primary metric.

    against: what decides: the base, or where it has no head for the task the strongest of the task's baselines;
    baselines: those that are not the strongest, each with every metric, tuned held against it; also: what tuning did to
    each entry of `evaluation.also`, by its name; empty where there is none.
    """

    word: Literal["better", "worse", "not proven"]
    primary: str
    against: str
    metrics: Mapping[str, Measured]
    examples: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Finding] = ()
    rows_needed: int | None = None
    also: Mapping[str, Elsewhere] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A row that a finding shows: where it stands, and what of it; personal data in it is masked."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """A finding of an audit, how many rows it is about, and some of them."""

    finding: Finding
    count: int
    rows: tuple[Seen, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The finding's five parts, the number of rows, and those that are shown."""
        return {**self.finding.as_json(), "count": self.count,
                "rows": [{"where": row.where, "text": row.text} for row in self.rows]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Noticed:
        """What `as_json` gave."""
        finding = Finding(value["severity"], value["kind"], value["what"], value["where"], value["remedy"])
        return cls(finding, value["count"], tuple(Seen(row["where"], row["text"]) for row in value["rows"]))


@dataclass(frozen=True, slots=True)
class Figure:
    """Numbers to draw, in several series of the same places: bars by name, or a histogram's bins.

    unit: what a number counts; names: of each bar; edges: of a histogram, one more than it has bins; across: what the
    edges count, such as `tokens`; marks: places among them to draw a line at, such as `training.max_length`, by name.
    """

    title: str
    unit: str
    series: Mapping[str, tuple[float, ...]]
    names: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    across: str = ""
    marks: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The parts under their own names."""
        return {"title": self.title, "unit": self.unit, "series": {name: list(each) for name, each in
                self.series.items()}, "names": list(self.names), "edges": list(self.edges), "across": self.across,
                "marks": dict(self.marks)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Figure:
        """What `as_json` gave."""
        return cls(value["title"], value["unit"], {name: tuple(each) for name, each in value["series"].items()},
                   tuple(value["names"]), tuple(value["edges"]), value["across"], dict(value["marks"]))


@dataclass(frozen=True, slots=True)
class Looked:
    """What an audit found, and what it has to draw."""

    noticed: tuple[Noticed, ...] = ()
    figures: tuple[Figure, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The findings with their rows, and the figures."""
        return {"noticed": [each.as_json() for each in self.noticed],
                "figures": [each.as_json() for each in self.figures]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Looked:
        """What `as_json` gave."""
        return cls(tuple(map(Noticed.from_json, value["noticed"])), tuple(map(Figure.from_json, value["figures"])))
