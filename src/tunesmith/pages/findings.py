"""Findings as a list: the first of each kind in full, the others of that kind folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..records import Finding
from .markup import Markup, join, prose, tag

IN_FULL: Final = 3  # of a kind: twenty rows that were cut need not push everything else off the screen
MOST: Final = 100  # of a kind


def findings(found: Sequence[Finding]) -> Markup:
    """A list: how grave, what, where, what to do; kinds in the order in which they first stand."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        kinds.setdefault((finding.severity, finding.kind), []).append(finding)
    return tag("ul.findings", (_kind(each) for each in kinds.values()))


def _kind(found: Sequence[Finding]) -> Markup:
    shown, folded = found[:IN_FULL], found[IN_FULL:MOST]
    if not folded:
        return join(map(_finding, shown))
    rest = len(found) - len(shown)
    told = f"{rest} more of {found[0].kind}" + (f", the first {len(folded)} of them here" if rest > len(folded) else "")
    return join(map(_finding, shown), tag("li.folded", tag("details", tag("summary", told),
                                                          tag("ul.findings", map(_finding, folded)))))


def _finding(finding: Finding) -> Markup:
    return tag(
        f"li.{finding.severity}", tag("span.tagged", finding.severity), tag("p", prose(finding.what)),
        tag("p.where", tag("code", finding.where)) if finding.where else None,
        tag("p.remedy", prose(finding.remedy)) if finding.remedy else None)
