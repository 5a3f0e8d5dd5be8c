"""Rows in another language than they are said to be in, or than nearly all the others. `language.py` tells it.

A prompt and its answer are looked at each for itself, so rows of translations have two languages. Texts of fewer than
20 letters, code and numbers are undecided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from ...contracts import Looking
from ...errors import Misuse
from ...recipe.kinds import STRICT
from ...records import Example, Finding, Looked, Noticed, Pair, Side
from ...text.language import codes, language, short
from ._drawing import bars
from ._parts import spoken
from ._telling import Found, Severity, noticed

FEWEST_ROWS = 20  # below, a language of most rows is no news, and loading the model takes longer than reading them
MOST = 0.6  # of the rows that tell: from here on their language is that of all
CLOSE = frozenset({"az", "crh", "tk", "tr", "uz"})  # taken for one another where their own letters are missing
SURE_OF_CLOSE = 0.98


class Settings(BaseModel):
    """Which languages are expected, and how many rows are looked at."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    expected: tuple[str, ...] = ()
    """The languages that texts should be in, by their ISO 639 codes: `[az]`, `[az, en]`; none: that of most rows."""

    among: tuple[str, ...] = ()
    """The languages that texts can be in at all, `[az, tr, en, ru]`; none: 139 of them. Fewer are told more surely."""

    sure: float = Field(default=0.9, ge=0.5, le=1)
    """How sure another language must be to be told: 0.5 to 1. Between Turkic languages it is 0.98 at least."""

    few: float = Field(default=0.2, gt=0, le=1)
    """The largest share of rows that are told of one language where none is expected: above 0 to 1.

    More of them are a mixture that somebody wanted.
    """

    rows: int = Field(default=5_000, ge=20, le=100_000_000)
    """How many rows are looked at, at most, drawn evenly: 20 to 100,000,000. A thousand take 0.1 to 0.3 seconds."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one text of a row was found to be in; declared: what its row says."""

    side: Side
    index: int
    role: str
    code: str
    share: float
    declared: str


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """One finding for all rows that are surely in another language, and the bars of all languages."""
    total = sum(map(len, sides.values()))
    if not total or (total < FEWEST_ROWS and not settings.expected):
        return Looked()
    try:
        known = codes()
    except Misuse as error:
        return Looked((Noticed(Finding("note", "audit.not_looked", error.what, "data.audit", error.remedy), 0),))
    unknown = sorted({*settings.expected, *settings.among} - known)
    if unknown:
        raise Misuse("audit.unknown_language", f"no language that can be told: {', '.join(unknown)}", "data.audit",
                     f"use codes of ISO 639: {', '.join(sorted(known))}")
    every = -(-total // settings.rows)
    parts = list(_parts(sides, settings, every, known))
    usual = _usual(parts, settings)
    strange = [part for part in parts if _is_strange(part, usual, settings)]
    drawn = bars("Languages", "texts", {side: Counter(part.code or "undecided" for part in parts if part.side == side)
                                        for side in sides})
    return Looked(_told(sides, strange, usual, settings, every), (drawn,))


def _parts(
    sides: Mapping[Side, Sequence[Example]], settings: Settings, every: int, known: frozenset[str],
) -> Iterator[_Part]:
    among = {*settings.among, *settings.expected} if settings.among else ()
    for side, examples in sides.items():
        for index, example in enumerate(examples):
            if index % every:
                continue
            declared = short(example.language) if isinstance(example, Pair) else ""
            texts: dict[str, str] = {}
            for role, text in spoken(example):
                if role not in ("system", "tool", "tools"):
                    texts[role] = f"{texts[role]}\n{text}" if role in texts else text
            for role, text in texts.items():
                found = language(text, among)
                yield _Part(side, index, role, found.code, found.share,
                            declared if role == "answer" and declared in known else "")


def _usual(parts: Sequence[_Part], settings: Settings) -> dict[str, frozenset[str]]:
    """The languages of each role's texts that are no news: those expected, else that of most and those of many."""
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        counts.setdefault(part.role, Counter())[part.code] += bool(part.code)
    if settings.expected:
        return {role: frozenset(settings.expected) for role in counts}
    usual = {}
    for role, found in counts.items():
        code, count = found.most_common(1)[0]
        if count >= max(MOST * found.total(), FEWEST_ROWS / 2):
            usual[role] = frozenset({code} | {one for one in found if found[one] > settings.few * found.total()})
    return usual


def _is_strange(part: _Part, usual: Mapping[str, frozenset[str]], settings: Settings) -> bool:
    expected = frozenset({part.declared}) if part.declared else usual.get(part.role, frozenset({part.code}))
    if not part.code or part.code in expected:
        return False
    close = part.code in CLOSE and not CLOSE.isdisjoint(expected)
    return part.share >= (max(settings.sure, SURE_OF_CLOSE) if close else settings.sure)


def _told(
    sides: Mapping[Side, Sequence[Example]], strange: Sequence[_Part], usual: Mapping[str, frozenset[str]],
    settings: Settings, every: int,
) -> tuple[Noticed, ...]:
    if not strange:
        return ()
    found, at = Found(), {(part.side, part.index): part for part in reversed(strange)}
    for side, examples in sides.items():
        for index, example in enumerate(examples):
            if part := at.get((side, index)):
                text = "\n".join(text for role, text in spoken(example) if role == part.role)
                found.add(example, f"{part.code} ({part.share:.2f}): {text}")
    codes_told = Counter(part.code for part in at.values()).most_common()
    in_them = ", ".join(f"{count} in `{code}`" for code, count in codes_told[:8])
    more = f" and {sum(count for _, count in codes_told[8:])} in others" if len(codes_told) > 8 else ""
    wanted = sorted({code for codes in usual.values() for code in codes})
    said = settings.expected or any(part.declared for part in at.values())
    of_all = "declared or expected" if said else "of most rows"
    drawn = f"; one row in {every} was looked at" if every > 1 else ""
    what = f"{found.count} row(s) are surely in another language than the one {of_all}" \
        f"{', ' + ' and '.join(f'`{code}`' for code in wanted) if wanted else ''}: {in_them}{more}{drawn}"
    keep = ",".join(wanted) or "az"
    remedy = f"`tunesmith clean DATA 'language.languages=[{keep}]' --output CLEAN.jsonl --steps language`; where " \
        "they are meant, name every language: `data.audit: [{type: language, expected: [en, az]}]`"
    return (noticed(settings, "audit.language", what, found.rows, remedy, count=found.count),)
