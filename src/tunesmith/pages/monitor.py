"""What a served run saw beside what it was trained on, as a page: whether anything drifted, test by test, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..monitoring.drift import TITLES
from ..records import Figure, Finding, Seen
from .figures import figure
from .findings import findings
from .markup import Markup, join, prose, tag
from .numbers import many, moment, share, short
from .shell import page

LONGEST: Final = 400  # characters of a row


@dataclass(frozen=True)
class Watched:
    """What the page shows, as `monitor --json` tells it. tests: one mapping each; strange: rows least like others."""

    run: str
    facts: Mapping[str, Any]
    rate: float
    tests: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, str]
    findings: Sequence[Finding]
    figures: Sequence[Figure]
    strange: Sequence[Seen]
    words: Mapping[str, int]

    @property
    def alarms(self) -> list[str]:
        """The titles of the tests that raise one."""
        return [TITLES[each["test"]] for each in self.tests if each["alarm"]]


def monitor_page(told: Watched) -> str:
    """The page as HTML."""
    drawn = [each for each in told.figures if any(map(any, each.series.values()))]
    body = join(
        _head(told), _tests(told),
        tag("section", tag("h2", "What was noticed"), findings(told.findings),
            at={"aria-label": "What was noticed"}) if told.findings else None,
        tag("section.check", tag("h2", "What changed"), map(figure, drawn), at={"aria-label": "What changed"})
        if drawn else None,
        _words(told), _strange(told), _foot())
    return page(f"{_word(told)} · {told.run}", body, files=("verdict.css", "check.css"))


def _word(told: Watched) -> str:
    return "Drift" if told.alarms else "No drift" if told.tests else "Nothing to compare"


def _head(told: Watched) -> Markup:
    facts = told.facts
    if told.alarms:
        lead = f"This window is not what the run was trained on, or served before: {'; '.join(told.alarms)}."
    elif told.tests:
        lead = "No test tells this window from what the run was trained on."
    else:
        lead = "Neither side has rows enough to compare."
    numbers = {"rows in the window": facts["rows"], "rows of the reference": facts["reference_rows"],
               "errors": facts["errors"], "judged bad": facts["bad"]}
    about = {"from": moment(facts["from"]), "to": moment(facts["to"]),
             "alarms are false": f"at most {share(told.rate)} of the time",
             "seconds an answer": _seconds(facts), "tokens": f"{facts['tokens_in']:,} read, {facts['tokens_out']:,} "
             "written"}
    return tag(
        f"header.{'worse' if told.alarms else 'better'}", tag("p.overline", f"Monitor of {told.run}"),
        tag("h1", _word(told)), tag("p.lead", lead),
        tag("dl.key-numbers", (tag("div", tag("dt", name), tag("dd", f"{number:,}"))
                               for name, number in numbers.items())),
        tag("dl.told", (tag("div", tag("dt", name), tag("dd", value)) for name, value in about.items() if value)))


def _seconds(facts: Mapping[str, Any]) -> str:
    if facts["seconds_median"] is None:
        return ""
    return f"{short(facts['seconds_median'])} in the middle, {short(facts['seconds_95'])} at 95 %"


def _tests(told: Watched) -> Markup:
    names = ("test", "effect", "p", "p, all together", "rows")
    head = tag("tr", *(tag("th" if name == "test" else "th.number", name, at={"scope": "col", "role": "columnheader"})
                       for name in names), at={"role": "row"})
    body = (tag(
        "tr", tag("th", TITLES[each["test"]], " ", tag("span.tagged.warning", "alarm") if each["alarm"] else None,
                  tag("br"), tag("span.unit", each["effect_is"]), at={"scope": "row", "role": "rowheader"}),
        *(tag("td.number", value, at={"data-name": name, "role": "cell"}) for name, value in zip(names[1:], (
            short(each["effect"]), _p(each["p"]), _p(each["adjusted_p"]), f"{each['window_rows']:,}"), strict=True)),
        at={"role": "row"},
    ) for each in told.tests)
    table = tag("table.tests", tag("thead", head, at={"role": "rowgroup"}),
                tag("tbody", body, at={"role": "rowgroup"}), at={"role": "table"})
    left_out = (tag("li", f"{TITLES[name]}: {why}.") for name, why in told.left_out.items())
    return tag(
        "section", tag("h2", "Tests"),
        tag("div.scroll", table, at={"tabindex": "0", "role": "region", "aria-label": "tests"}) if told.tests else None,
        tag("p.aside", prose(
            f"An alarm is a p-value of all tests together (Holm) of {short(told.rate)} or less. p is the chance that "
            "rows of one kind, divided by luck, differ as much: it takes rows as independent, so many rows of one "
            "person can raise an alarm too.")),
        tag("details", tag("summary", f"{many(len(told.left_out), 'test')} not made"), tag("ul", left_out))
        if told.left_out else None, at={"aria-label": "Tests"})


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _words(told: Watched) -> Markup | None:
    if not told.words:
        return None
    most = ", ".join(f"{word} ({count:,})" for word, count in told.words.items())
    return tag("section", tag("h2", "New words"), tag("p", most, at={"dir": "auto"}), tag(
        "p.aside", "In how many rows each stands, of the words that the training rows lack."),
        at={"aria-label": "New words"})


def _strange(told: Watched) -> Markup | None:
    if not told.strange:
        return None
    head = tag("tr", tag("th", "answer", at={"scope": "col"}), tag("th", "asked", at={"scope": "col"}))
    body = (tag("tr", tag("th", tag("code", each.where), at={"scope": "row"}),
                tag("td", each.text[:LONGEST] + (" …" if len(each.text) > LONGEST else ""), at={"dir": "auto"}))
            for each in told.strange)
    return tag("section", tag("h2", "Rows least like the reference"), tag(
        "div.scroll", tag("table.rows", tag("thead", head), tag("tbody", body)),
        at={"tabindex": "0", "role": "region", "aria-label": "rows least like the reference"}),
        at={"aria-label": "Rows least like the reference"})


def _foot() -> Markup:
    return tag("footer", tag("p", prose(
        "`tunesmith monitor RUN --harvest FILE` writes the rows most worth labelling. Personal data was masked before "
        "anything was kept, unless the recipe says otherwise. This page is one file that loads nothing and sends "
        "nothing.")))
