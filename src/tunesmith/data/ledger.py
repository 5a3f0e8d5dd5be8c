"""What was found while reading: the first twenty of each kind in full, the rest counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import SHOWN_IN_FULL, Problem, Problems
from ..records import Finding, Severity

Kind = tuple[Severity, str]


@dataclass(slots=True)
class Ledger:
    """Collects findings in bounded memory, however many bad rows there are."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)
    last: dict[Kind, str] = field(default_factory=dict)

    def add(self, *findings: Finding) -> None:
        """Keep each finding, or count it where twenty of its kind are kept already."""
        for finding in findings:
            kind = (finding.severity, finding.kind)
            self.counts[kind] += 1
            if self.counts[kind] <= SHOWN_IN_FULL:
                self.kept.append(finding)
            else:
                self.last[kind] = finding.where

    def findings(self) -> tuple[Finding, ...]:
        """All that was kept, and one line for each kind that was counted."""
        rest = [
            Finding(severity, kind, f"and {count - SHOWN_IN_FULL} more of this kind", self.last[severity, kind],
                    "mend these as the ones above, which are shown in full")
            for (severity, kind), count in self.counts.items() if count > SHOWN_IN_FULL
        ]
        return (*self.kept, *rest)


def from_problem(error: Problem | Problems) -> Iterable[Finding]:
    """The findings that say what a Problem says."""
    problems = error.problems if isinstance(error, Problems) else (error,)
    return [Finding("error", problem.kind, problem.what, problem.where, problem.remedy) for problem in problems]
