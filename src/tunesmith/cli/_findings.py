"""Findings for a person: the gravest first, twenty in full, the rest counted by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import SHOWN_IN_FULL
from ..records import Finding, Severity
from ._output import CYAN, RED, YELLOW
from ._problems import tally

STYLES: dict[Severity, str] = {"error": RED, "warning": YELLOW, "note": CYAN}


def show(findings: Sequence[Finding], line: Callable[[str, str], None]) -> None:
    """Write the findings with `line(text, style)`."""
    ordered = sorted(findings, key=lambda finding: tuple(STYLES).index(finding.severity))
    for finding in ordered[:SHOWN_IN_FULL]:
        show_one(finding, line)
    for kind, number in tally(finding.kind for finding in ordered[SHOWN_IN_FULL:]).items():
        line(f"… and {number} more of `{kind}`", "")


def show_one(finding: Finding, line: Callable[[str, str], None]) -> None:
    """Write one finding: severity and what, then where and what to do."""
    line(f"{finding.severity}: {finding.what}", STYLES[finding.severity])
    if finding.where:
        line(f"  at:  {finding.where}", "")
    if finding.remedy:
        line(f"  fix: {finding.remedy}", "")
