"""Answers side by side: what was asked, what was wanted, what either model said, the worst ones first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import PurePath
from typing import Final

from ..evaluation.answers import Answer
from .markup import Markup, join, tag
from .numbers import many, short
from .spans import marked

MOST_ANSWERS: Final = 200
MOST_LETTERS: Final = 600_000  # of all answers together: about a megabyte of page
LONGEST_TEXT: Final = 3_000
LONGEST_COMPARED: Final = 240  # words and signs: beyond that the comparison takes longer than the reader
ALIKE: Final = 0.5
EMPTY: Final = tag("p.said.empty", "(empty)")
CHANGES: Final = {"lost": "tuning lost this", "same": "tied", "won": "tuning won this"}


def answers(ranked: Sequence[Answer], primary: str, against: str) -> Markup | None:
    """The section, with a search field and filters where scripts run; as many answers as its bounds allow."""
    if not ranked:
        return None
    shown = _within(ranked)
    return tag(
        "section", tag("h2", "Answers side by side"), tag("p.aside", _said(shown, ranked, primary)),
        _controls(ranked, shown),
        tag("ol.answers", (_answer(one, primary, against) for one in shown)),
        tag("p.nothing", "No answer matches.", at={"hidden": True}),
        at={"aria-label": "Answers side by side", "id": "answers"},
    )


def _within(ranked: Sequence[Answer]) -> Sequence[Answer]:
    letters, count = 0, 0
    for one in ranked[:MOST_ANSWERS]:
        letters += sum(min(len(text), LONGEST_TEXT) for text in (one.prompt, one.reference, one.against, one.tuned))
        if count and letters > MOST_LETTERS:
            break
        count += 1
    return ranked[:count]


def _said(shown: Sequence[Answer], ranked: Sequence[Answer], primary: str) -> str:
    order = f"Sorted by {primary}: what tuning lost first, then the poorest answers."
    if len(shown) == len(ranked):
        return f"{order} All {many(len(ranked), 'answer')} are here."
    return f"{order} The first {len(shown):,} of {many(len(ranked), 'answer')} are here; predictions.jsonl has all."


def _controls(ranked: Sequence[Answer], shown: Sequence[Answer]) -> Markup:
    """Hidden until a script that can serve it takes it up."""
    kinds = [("all", "all", len(shown))]
    kinds += [(change, name, sum(one.change == change for one in shown)) for change, name in
              (("lost", "lost"), ("same", "tied"), ("won", "won"))]
    kinds.append(("cut", "cut short", sum("tuned" in one.cut for one in shown)))
    buttons = (
        tag("button", name, tag("span.count", f"{count:,}"), at={
            "type": "button", "data-keep": key, "aria-pressed": "true" if key == "all" else "false"})
        for key, name, count in kinds if count or key == "all"
    )
    search = tag("label.search", tag("span", "Search"), tag("input", at={
        "type": "search", "placeholder": "a word of a prompt or an answer", "autocomplete": "off"}))
    return tag("div.controls", tag("div.filters", buttons, at={"role": "group", "aria-label": "Show"}), search,
               tag("p.found", at={"role": "status"}), at={"hidden": True})


def _answer(one: Answer, primary: str, against: str) -> Markup:
    reference, tuned = compared(one.reference[:LONGEST_TEXT], one.tuned[:LONGEST_TEXT])
    return tag(
        f"li.answer.{one.change}",
        tag("header", tag("h3", PurePath(one.where).name, at={"title": one.where}),
            tag("span.tagged", CHANGES[one.change]),
            tag("span.values", f"{primary}: {against} {short(one.against_value)}, tuned {short(one.tuned_value)}")),
        _text("Prompt", one.prompt, _marked(one), kind="prompt") if one.prompt else None,
        tag("div.sides", _text("Reference", one.reference, reference, kind="reference"),
            _text("Tuned", one.tuned, tuned, kind="tuned", cut="tuned" in one.cut),
            _text(against.capitalize(), one.against, kind="against", cut="base" in one.cut)),
        at={"data-change": one.change, "data-cut": "tuned" in one.cut},
    )


def _marked(one: Answer) -> Markup | None:
    """The prompt with the entities in it, where it is short enough to be shown whole."""
    return marked(one.prompt, one.expected, one.output) if len(one.prompt) <= LONGEST_TEXT else None


def _text(title: str, whole: str, shown: Markup | None = None, *, kind: str, cut: bool = False) -> Markup:
    rest = len(whole) - LONGEST_TEXT
    said = tag("p.said", shown if shown is not None else whole[:LONGEST_TEXT]) if whole else EMPTY
    return tag(
        f"div.side.{kind}",
        tag("h4", title, tag("span.unit", "cut at the longest answer allowed") if cut else None),
        said,
        tag("p.rest", f"\u2026 and {many(rest, 'character')} more") if rest > 0 else None,
    )


def compared(reference: str, answer: str) -> tuple[Markup | None, Markup | None]:
    """Both texts with what the other lacks marked; None where they are equal, too long, or have little in common."""
    one, other = (re.findall(r"\w+|\s+|[^\w\s]", text) for text in (reference, answer))
    if reference.strip() == answer.strip() or max(len(one), len(other)) > LONGEST_COMPARED:
        return None, None
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < ALIKE:
        return None, None
    left: list[Markup] = []
    right: list[Markup] = []
    for what, start, end, other_start, other_end in matcher.get_opcodes():
        for made, words in ((left, one[start:end]), (right, other[other_start:other_end])):
            if words:
                made.append(join("".join(words)) if what == "equal" else tag("mark", "".join(words)))
    return join(left), join(right)
