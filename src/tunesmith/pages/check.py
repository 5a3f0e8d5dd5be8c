"""What `check` found, as a page: whether the rows can be trained on, how many there are, and check by check why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..records import Figure, Finding, Looked, Severity
from .figures import figure
from .findings import findings
from .markup import Markup, join, prose, tag
from .noticed import noticed
from .numbers import many, share
from .shell import page

READING: Final = "Reading the rows"
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Amount:
    """What a side holds; longest: tokens of its longest document."""

    rows: int
    documents: int
    tokens: int
    supervised: int
    longest: int


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what it looks for, and what it found."""

    name: str
    looks_for: str
    looked: Looked

    @property
    def worst(self) -> int:
        """How grave its gravest finding is: 0 an error; more than any where it has none."""
        return min((SEVERITIES.index(each.finding.severity) for each in self.looked.noticed), default=len(SEVERITIES))

    @property
    def figures(self) -> list[Figure]:
        """Those that have something to draw."""
        return [each for each in self.looked.figures if any(map(any, each.series.values()))]

    @property
    def says_something(self) -> bool:
        """Whether there is a finding or a figure to show."""
        return bool(self.looked.noticed or self.figures)


@dataclass(frozen=True)
class Checked:
    """What the page shows. findings: those that no check of the rows made; name: of the recipe or the run.

    left_out: the checks that the recipe does not want.
    """

    name: str
    ok: bool
    facts: Mapping[str, str]
    sides: Mapping[str, Amount]
    by_role: Mapping[str, int]
    findings: Sequence[Finding]
    checks: Sequence[Check]
    left_out: Sequence[str] = ()

    @property
    def severities(self) -> list[Severity]:
        """Of every finding."""
        return [finding.severity for finding in self.findings] + [
            each.finding.severity for check in self.checks for each in check.looked.noticed]


def check_page(told: Checked) -> str:
    """The page as HTML."""
    checks = sorted(told.checks, key=lambda check: check.worst)
    read, sections = _findings(told.findings), join(*map(_check, checks))
    grave = any(finding.severity != "note" for finding in told.findings)
    body = join(_head(told), _sides(told), _overview(checks, told),
                *((read, sections) if grave else (sections, read)), _foot())
    return page(f"{_word(told)} · {told.name}", body, files=("verdict.css", "check.css", "copy.js"))


def counted(severities: Sequence[Severity]) -> str:
    """`2 errors, 1 warning and 3 notes`; nothing where there is none."""
    each = [many(severities.count(name), name) for name in SEVERITIES if name in severities]
    return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def title(name: str) -> str:
    """The name of a check as a heading."""
    return name if "." in name else name.replace("_", " ").capitalize()


def _word(told: Checked) -> str:
    return "Can be trained" if told.ok else "Refused"


def _head(told: Checked) -> Markup:
    found = counted(told.severities)
    if not told.ok:
        lead = f"Nothing is trained before the errors are set right: {found}."
    elif found:
        lead = f"Nothing refuses these rows, but look at what was found: {found}." if "warning" in told.severities \
            else f"Nothing refuses these rows: {found}."
    else:
        lead = "Nothing was found that is wrong with these rows."
    amounts = told.sides.values()
    numbers = {
        "rows to learn from": told.sides["train"].rows, "rows held out": sum(each.rows for each in amounts)
        - told.sides["train"].rows, "tokens to read": told.sides["train"].tokens,
        "tokens learnt": told.sides["train"].supervised}
    return tag(
        f"header.{'better' if told.ok else 'worse'}", tag("p.overline", f"Check of {told.name}"),
        tag("h1", _word(told)), tag("p.lead", lead),
        tag("dl.key-numbers", (tag("div", tag("dt", name), tag("dd", f"{number:,}"))
                               for name, number in numbers.items())),
        tag("dl.told", (tag("div", tag("dt", name), tag("dd", value)) for name, value in told.facts.items())))


def _sides(told: Checked) -> Markup | None:
    sides = {name: amount for name, amount in told.sides.items() if amount.documents}
    if not sides:
        return None
    names = ("side", "rows", "documents", "tokens", "learnt", "share", "longest")
    head = tag("tr", *(tag("th" if name == "side" else "th.number", name, at={"scope": "col"}) for name in names))
    rows = (tag("tr", tag("th", name, at={"scope": "row"}), *(tag("td.number", cell) for cell in (
        f"{each.rows:,}", f"{each.documents:,}", f"{each.tokens:,}", f"{each.supervised:,}",
        share(each.supervised / max(each.tokens, 1)), f"{each.longest:,}"))) for name, each in sides.items())
    roles = ", ".join(f"{role} {count:,}" for role, count in told.by_role.items())
    return tag(
        "section", tag("h2", "Sides"),
        tag("div.scroll", tag("table", tag("thead", head), tag("tbody", rows)),
            at={"tabindex": "0", "role": "region", "aria-label": "amounts by side"}),
        tag("p.aside", f"Tokens learnt in train, by role: {roles}.") if roles else None, at={"aria-label": "Sides"})


def _overview(checks: Sequence[Check], told: Checked) -> Markup:
    """The reading and every check in a line, the gravest first, those that found nothing too: it was looked for."""
    read = _line(READING, "Whether each row can be read as an example, which side it is on, whether it is too long.",
                 [finding.severity for finding in told.findings], anchor("reading") if told.findings else None)
    lines = [_line(title(check.name), check.looks_for, [each.finding.severity for each in check.looked.noticed],
                   anchor(check.name) if check.says_something else None) for check in checks]
    return tag(
        "section", tag("h2", "What was looked for"), tag("ul.overview", read, lines),
        tag("p.aside", f"The recipe leaves out: {', '.join(told.left_out)}.") if told.left_out else None,
        at={"aria-label": "What was looked for"})


def _line(name: str, looks_for: str, found: Sequence[Severity], place: str | None) -> Markup:
    tags = [tag(f"span.tagged.{each}", many(found.count(each), each)) for each in SEVERITIES if each in found]
    return tag("li", tag("span.name", tag("a", name, at={"href": f"#{place}"}) if place else name),
               tag("span.tags", tags or tag("span.tagged.nothing-found", "nothing")),
               tag("span.looks-for", prose(looks_for)))


def anchor(name: str) -> str:
    """The place of a check on the page."""
    return "check-" + re.sub(r"[^\w-]+", "-", name)


def _findings(found: Sequence[Finding]) -> Markup | None:
    if not found:
        return None
    return tag("section", tag("h2", READING), findings(found), at={"id": anchor("reading"), "aria-label": READING})


def _check(check: Check) -> Markup | None:
    if not check.says_something:
        return None
    return tag(
        "section.check", tag("h2", title(check.name)), tag("p.aside", prose(check.looks_for)),
        noticed(check.looked.noticed) if check.looked.noticed else tag("p.aside.clear", "Nothing was found."),
        map(figure, check.figures), at={"id": anchor(check.name), "aria-label": title(check.name)})


def _foot() -> Markup:
    return tag("footer", tag("p", prose(
        "`tunesmith explain` followed by the kind of a finding tells why it matters; options of checks stand under "
        "`data.audit`. Personal data is masked on this page. It is one file that loads nothing and sends nothing.")))
