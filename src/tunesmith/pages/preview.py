"""The data as the model will see it, as a page: what is learnt, how long it is, what was noticed, and rows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..records import Finding, Side
from .findings import findings
from .histogram import histogram
from .markup import Markup, join, tag
from .numbers import many, share
from .shell import page
from .tokens import LONGEST, Token, legend, shown

MOST_TOKENS: Final = 30_000  # of all rows together: about two megabytes of page


@dataclass(frozen=True, slots=True)
class Seen:
    """A document of a row that was chosen.

    source: where several are mixed, the one that it is from; why: in what it is odd; part: `1 of 3` where a row became
    several documents; whole: tokens of the row's longest document before it was fitted to the length.
    """

    where: str
    side: Side
    kind: str
    source: str
    why: Sequence[str]
    tokens: Sequence[Token]
    part: str
    whole: int


@dataclass(frozen=True, slots=True)
class Amount:
    """What a side holds. lengths: of each document."""

    rows: int
    lengths: Sequence[int]
    supervised: int


@dataclass(frozen=True)
class Previewed:
    """What the page shows. too_long: what becomes of rows longer than `limit`; by_role: supervised tokens in train."""

    recipe: str
    facts: Mapping[str, str]
    sides: Mapping[Side, Amount]
    by_role: Mapping[str, int]
    findings: Sequence[Finding]
    documents: Sequence[Seen]
    limit: int
    too_long: str


def preview_page(told: Previewed) -> str:
    """The page as HTML."""
    body = join(_head(told), _findings(told), _amounts(told), _rows(told), _picked())
    return page(f"Preview \u00b7 {told.recipe}", body, files=("preview.css", "preview.js"))


def _head(told: Previewed) -> Markup:
    train = told.sides["train"]
    tokens = sum(train.lengths)
    refused = any(finding.severity == "error" for finding in told.findings)
    lead = "This data is refused: the findings say why." if refused else (
        f"{many(train.rows, 'row')} to learn from: {many(train.supervised, 'token')} of {tokens:,} are learnt.")
    return tag(
        "header", tag("p.overline", f"Preview of {told.recipe}"), tag("h1", "As the model will see it"),
        tag("p.lead", lead),
        tag("dl.told", (tag("div", tag("dt", name), tag("dd", value)) for name, value in told.facts.items())))


def _findings(told: Previewed) -> Markup | None:
    if not told.findings:
        return None
    return tag("section", tag("h2", "Findings"), findings(told.findings), at={"aria-label": "Findings"})


def _amounts(told: Previewed) -> Markup | None:
    lengths = [length for amount in told.sides.values() for length in amount.lengths]
    if not lengths:
        return None
    names = ("side", "rows", "documents", "tokens", "learnt", "share", "shortest", "middle", "longest")
    head = tag("tr", *(tag("th" if name == "side" else "th.number", name, at={"scope": "col"}) for name in names))
    rows = (_amount(side, amount) for side, amount in told.sides.items() if amount.lengths)
    roles = ", ".join(f"{role} {count:,}" for role, count in told.by_role.items())
    return tag(
        "section", tag("h2", "How much, how long"),
        tag("div.scroll", tag("table", tag("thead", head), tag("tbody", rows)),
            at={"tabindex": "0", "role": "region", "aria-label": "amounts by side"}),
        tag("p.aside", f"Tokens learnt in train, by role: {roles}.") if roles else None,
        histogram(lengths, told.limit), at={"aria-label": "How much, how long"})


def _amount(side: str, amount: Amount) -> Markup:
    lengths, tokens = sorted(amount.lengths), sum(amount.lengths)
    cells = (f"{amount.rows:,}", f"{len(lengths):,}", f"{tokens:,}", f"{amount.supervised:,}",
             share(amount.supervised / tokens), f"{lengths[0]:,}", f"{lengths[len(lengths) // 2]:,}",
             f"{lengths[-1]:,}")
    return tag("tr", tag("th", side, at={"scope": "row"}), *(tag("td.number", cell) for cell in cells))


def _rows(told: Previewed) -> Markup | None:
    if not told.documents:
        return None
    within = _within(told.documents)
    whole = sum(len(amount.lengths) for amount in told.sides.values())
    said = (f"{many(len(within), 'document')} of {whole:,}. First the odd ones: of each side the longest, the shortest,"
            " the one of most turns and the one of the lowest share learnt, and some that findings name; then others "
            "drawn by the recipe's seed, of each kind and file.")
    left = len(told.documents) - len(within)
    return tag(
        "section", tag("h2", "Rows"),
        tag("p.aside", said + (f" {many(left, 'document')} more would not fit on the page." if left else "")),
        legend(), tag("ol.rows", (_row(seen, told) for seen in within)), at={"aria-label": "Rows"})


def _within(documents: Sequence[Seen]) -> Sequence[Seen]:
    tokens, count = 0, 0
    for seen in documents:
        tokens += min(len(seen.tokens), LONGEST)
        if count and tokens > MOST_TOKENS:
            break
        count += 1
    return documents[:count]


def _row(seen: Seen, told: Previewed) -> Markup:
    learnt = sum(token.weight > 0 for token in seen.tokens)
    amount = f"{many(len(seen.tokens), 'token')}, {learnt:,} learnt ({share(learnt / max(len(seen.tokens), 1))})"
    head = tag(
        "header", tag("h3", seen.where.rpartition("/")[2], at={"title": seen.where}),
        tag("span.tagged", seen.side), tag("span.tagged", seen.kind),
        tag("span.tagged", seen.source) if seen.source else None,
        tag("span.tagged", f"part {seen.part}") if seen.part else None,
        *(tag("span.tagged.why", reason) for reason in seen.why), tag("span.values", amount))
    return tag("li.row", head, tag("p.tokens", shown(seen.tokens), at={
        "tabindex": "0", "role": "group", "aria-label": f"tokens of {seen.where}; arrow keys go from one to the next",
    }), _cut(seen, told))


def _cut(seen: Seen, told: Previewed) -> Markup | None:
    if seen.whole <= told.limit or seen.whole <= len(seen.tokens):
        return None
    if told.too_long == "cut":
        lost = many(seen.whole - len(seen.tokens), "token")
        return tag("p.cut", f"Cut here, at {told.limit:,} tokens: {lost} are lost.")
    return tag("p.cut", f"The row has {many(seen.whole, 'token')}; it was split to fit {told.limit:,}.")


def _picked() -> Markup:
    """Where a script tells of the token under the pointer."""
    return tag("div.picked", tag("code.text"), tag("dl"), at={"role": "status", "hidden": True})
