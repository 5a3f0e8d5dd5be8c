"""Findings for a person: the gravest first, twenty of them and each kind among those, the rest counted by kind.

What a check of the rows noticed is shown with a few rows. A note is a line, and of a kind no more than three are told.
"""

from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..errors import SHOWN_IN_FULL
from ..records import Finding, Looked, Noticed, Severity
from ..visible import visible
from ._output import CYAN, RED, YELLOW
from ._problems import tally

STYLES: dict[Severity, str] = {"error": RED, "warning": YELLOW, "note": CYAN}
ROWS: Final = 3  # of what a check noticed
NOTES: Final = 3  # of a kind
PIPED: Final = 100  # letters of a line with a row, where nobody says how many fit
NARROWEST: Final = 40
PLACE: Final = 36  # letters of a place, before which rows stand in a column

OF_FILE: Final = re.compile(r".*[/\\].*|.+:\d+", re.DOTALL)

Line = Callable[[str, str], None]


def show(
    findings: Sequence[Finding], line: Line, *, looked: Mapping[str, Looked] | None = None, width: int | None = None,
) -> None:
    """Write the findings with `line(text, style)`; those that differ in their place alone are told once.

    looked: what the checks of the rows noticed, whose findings these are too; width: where sentences are broken.
    """
    noticed = {each.finding: (name, each) for name, one in (looked or {}).items() for each in one.noticed}
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: tuple(STYLES).index(finding.severity)):
        alike.setdefault((finding.severity, finding.what, finding.remedy), []).append(finding)
    told = _told([group[0] for group in alike.values()])
    rest: list[str] = []
    for number, group in enumerate(alike.values()):
        shown = group[:SHOWN_IN_FULL] if number in told else []
        if shown and shown[0] in noticed:
            _write_noticed(*noticed[shown[0]], line, width)
        elif shown:
            _write(shown[0], [finding.where for finding in shown], line, width)
        rest += [finding.kind for finding in group[len(shown):]]
    for kind, count in tally(rest).items():
        line(f"… and {count} more of `{kind}`", "")


def show_one(finding: Finding, line: Line) -> None:
    """Write one finding: severity and what, then where and what to do."""
    _write(finding, [finding.where], line, None)


def counted(findings: Sequence[Finding]) -> str:
    """How many there are of each severity; nothing where there is none."""
    counts = tally(finding.severity for finding in sorted(findings, key=lambda one: tuple(STYLES).index(one.severity)))
    return "   ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items())


def _told(findings: Sequence[Finding]) -> set[int]:
    """Which are shown: of each kind the first and the last, which may be a count of others; then the first ones."""
    kinds = [finding.kind for finding in findings]
    first = {kind: number for number, kind in reversed(list(enumerate(kinds)))}
    last = {kind: number for number, kind in enumerate(kinds)}
    order = dict.fromkeys([*sorted(first.values()), *sorted(last.values()), *range(len(kinds))])
    notes: dict[str, int] = {}
    for number in list(order):
        if findings[number].severity == "note":
            notes[kinds[number]] = notes.get(kinds[number], 0) + 1
            if notes[kinds[number]] > NOTES:
                del order[number]
    return set(list(order)[:SHOWN_IN_FULL])


def _write(finding: Finding, places: Sequence[str], line: Line, width: int | None) -> None:
    if finding.severity == "note":
        _note(finding, len(places), line, width)
        return
    _sentence(f"{finding.severity}: {finding.what}", STYLES[finding.severity], line, width)
    for number, place in enumerate(filter(None, places)):
        line(f"{'       ' if number else '  at:  '}{place}", "")
    if finding.remedy:
        _fix(finding, line, width)


def _write_noticed(check: str, noticed: Noticed, line: Line, width: int | None) -> None:
    """What a check noticed, its name behind it: that is what an entry of `data.audit` is called."""
    told = noticed.finding
    [first] = _shortened([told.where])
    finding = replace(told, what=f"{told.what} [{check}]", where=first, remedy=told.remedy.replace(_here(), ""))
    if finding.severity == "note":
        _note(replace(finding, remedy=""), noticed.count, line, width)
        return
    shown = noticed.rows[:ROWS]
    places = _shortened([row.where for row in shown])
    column = min(PLACE, max(map(len, places), default=0))
    places = [_fitting(f"{place.ljust(column)}  {row.text}", (width or PIPED) - 7)
              for place, row in zip(places, shown, strict=True)]
    left = noticed.count - len(shown)
    places += [f"… {left:,} more"] if shown and left > 0 else []
    _write(finding, places or [finding.where], line, width)


def _shortened(places: Sequence[str]) -> list[str]:
    """Places below this folder counted from it, of others the name of the file, where no two files share it."""
    short = [place.removeprefix(_here()) for place in places]
    files = {place.rpartition(":")[0] for place in short}
    apart = len({Path(file).name for file in files}) == len(files)
    return [Path(place).name if apart and Path(place).is_absolute() else place for place in short]


def _here() -> str:
    return f"{Path.cwd()}{os.sep}"


def _note(finding: Finding, count: int, line: Line, width: int | None) -> None:
    """A line, with the first place if it is of a file: options are named by what is said; count: of places."""
    more = f" and {count - 1:,} more" if count > 1 else ""
    at = f" ({finding.where}{more})" if OF_FILE.fullmatch(finding.where) else ""
    _sentence(f"note: {finding.what}{at}", CYAN, line, width)
    if finding.remedy:
        _fix(finding, line, width)


def _fix(finding: Finding, line: Line, width: int | None) -> None:
    # a command that was broken into lines could not be copied from a terminal
    _sentence(f"  fix: {finding.remedy}", "", line, None if "`tunesmith " in finding.remedy else width)


def _sentence(text: str, style: str, line: Line, width: int | None) -> None:
    """The text, on a terminal broken between words, so that what goes on stands below where it began."""
    broken = textwrap.wrap(text, max(width, NARROWEST), subsequent_indent=" " * 7, break_long_words=False,
                           break_on_hyphens=False) if width else [text]
    for each in broken or [text]:
        line(each, style)


def _fitting(text: str, cells: int) -> str:
    """As much of the text as fits into so many cells of a terminal, of which a Chinese letter takes two."""
    text, used = visible(" ".join(text.splitlines())), 0
    for place, letter in enumerate(text):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        if used > cells - 1:
            return text[:place] + "…"
    return text
