"""Findings of checks: what was noticed, some of its rows, and what to do, ready to be copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..records import Noticed, Seen
from .markup import Markup, join, prose, tag
from .numbers import many

UNFOLDED: Final = 5  # rows of a finding
LONGEST: Final = 400  # characters of a row: a check of somebody's own may show it whole
OPTION: Final = re.compile(r"[a-z_]+(\.[a-z_]+)+\s*[:=]\s*\S|[a-z_]+: \S")


def noticed(found: Sequence[Noticed]) -> Markup:
    """A list, the gravest first."""
    order = ("error", "warning", "note")
    return tag("ul.findings.noticed", map(_noticed, sorted(found, key=lambda each: order.index(
        each.finding.severity))))


def remedy(said: str) -> Markup:
    """What to do: a command, or an option with its value, has a button that copies it."""
    parts = re.split(r"`([^`\n]+)`", said)
    return tag("p.remedy", (
        part if place % 2 == 0 else _copied(part) if part.startswith("tunesmith ") or OPTION.match(part)
        else tag("code", part) for place, part in enumerate(parts)))


def _copied(code: str) -> Markup:
    return tag("span.command", tag("code", code), tag("button.copy", "Copy", at={
        "type": "button", "hidden": True, "aria-label": f"Copy {code}"}))


def _noticed(one: Noticed) -> Markup:
    finding = one.finding
    return tag(
        f"li.{finding.severity}",
        tag("p.tags", tag("span.tagged", finding.severity), tag("span.tagged.about", many(one.count, "row"))
            if one.count else None, tag("code.kind", finding.kind)),
        tag("p.what", prose(finding.what)),
        tag("p.where", tag("code", finding.where)) if finding.where and not one.rows else None,
        _rows(one) if one.rows else None,
        remedy(finding.remedy) if finding.remedy else None)


def _rows(one: Noticed) -> Markup:
    shown, folded = one.rows[:UNFOLDED], one.rows[UNFOLDED:]
    left = one.count - len(one.rows)
    return tag(
        "div.seen", _table(shown, one),
        tag("details", tag("summary", f"{many(len(folded), 'row')} more"), _table(folded, one)) if folded else None,
        tag("p.aside", f"{many(left, 'more row')} like these.")
        if left > 0 else None)


def _table(rows: Sequence[Seen], one: Noticed) -> Markup:
    head = tag("tr", tag("th", "where", at={"scope": "col"}), tag("th", "text", at={"scope": "col"}))
    body = (tag("tr", tag("th", tag("code", row.where.rpartition("/")[2], at={"title": row.where}),
                          at={"scope": "row"}), tag("td", _text(row.text), at={"dir": "auto"})) for row in rows)
    return tag("table.rows", tag("colgroup", tag("col.place"), tag("col")), tag("thead", head), tag("tbody", body),
               at={"aria-label": f"rows of {one.finding.kind}"})


def _text(text: str) -> Markup:
    if not text.strip():
        return tag("span.nothing", "(empty)")
    if len(text) <= LONGEST:
        return join(text)
    return join(text[:LONGEST], tag("span.rest", f" … and {len(text) - LONGEST:,} characters more"))
