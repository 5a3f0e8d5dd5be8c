"""Findings for a person: the gravest first, twenty of them and each kind among those, the rest counted by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import SHOWN_IN_FULL
from ..records import Finding, Severity
from ._output import CYAN, RED, YELLOW
from ._problems import tally

STYLES: dict[Severity, str] = {"error": RED, "warning": YELLOW, "note": CYAN}


def show(findings: Sequence[Finding], line: Callable[[str, str], None]) -> None:
    """Write the findings with `line(text, style)`; those that differ in their place alone are told once."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: tuple(STYLES).index(finding.severity)):
        alike.setdefault((finding.severity, finding.what, finding.remedy), []).append(finding)
    told = _told([group[0].kind for group in alike.values()])
    rest: list[str] = []
    for number, group in enumerate(alike.values()):
        shown = group[:SHOWN_IN_FULL] if number in told else []
        if shown:
            _write(shown[0], [finding.where for finding in shown], line)
        rest += [finding.kind for finding in group[len(shown):]]
    for kind, count in tally(rest).items():
        line(f"… and {count} more of `{kind}`", "")


def show_one(finding: Finding, line: Callable[[str, str], None]) -> None:
    """Write one finding: severity and what, then where and what to do."""
    _write(finding, [finding.where], line)


def _told(kinds: Sequence[str]) -> set[int]:
    """Which are shown: of each kind the first and the last, which may be a count of others; then the first ones."""
    first = {kind: number for number, kind in reversed(list(enumerate(kinds)))}
    last = {kind: number for number, kind in enumerate(kinds)}
    order = dict.fromkeys([*sorted(first.values()), *sorted(last.values()), *range(len(kinds))])
    return set(list(order)[:SHOWN_IN_FULL])


def _write(finding: Finding, places: Sequence[str], line: Callable[[str, str], None]) -> None:
    line(f"{finding.severity}: {finding.what}", STYLES[finding.severity])
    for number, place in enumerate(filter(None, places)):
        line(f"{'       ' if number else '  at:  '}{place}", "")
    if finding.remedy:
        line(f"  fix: {finding.remedy}", "")
