"""Odd characters: markup and literals left over, wrong decodings, what nobody sees. `odd_text.py` tells them.

The model learns all of it, letter by letter: a tag that is in every text becomes part of every answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from ...contracts import Looking
from ...errors import Misuse
from ...recipe.kinds import STRICT
from ...records import Conversation, Example, Finding, Looked, Noticed, Pair, Side
from ...text.odd import mojibake_tools, odd, spelt, unseen
from ._drawing import bars
from ._mending import mending
from ._parts import spoken
from ._telling import Found, Severity, noticed

_MEANT = "where it is meant, `data.audit: [{type: characters, severity: off}]`"
_HTML, _UNICODE = (f"tunesmith clean DATA --output CLEAN.jsonl --steps {step}" for step in ("html", "unicode"))
# Of each kind of finding: its name, what is said of its rows, and what mends it; and the oddities that it is about
_TOLD: Final = (
    (("audit.markup", "row(s) hold HTML", "takes the markup out"), ("tags", "entities"), _HTML),
    (("audit.literals", "row(s) are written as a program writes them, `b'…'` or line breaks as a backslash and an n",
      "decodes them"), ("bytes", "escapes"), _UNICODE),
    (("audit.mojibake", "row(s) were decoded wrongly, as `Ã¼` for `ü`", "decodes them anew"), ("mojibake",), _UNICODE),
    (("audit.unseen", "row(s) hold characters that nobody sees", "takes them out"), ("control", "invisible"), _UNICODE),
    (("audit.letters", "row(s) have letters that only look like the usual ones", "writes the usual ones"),
     ("homoglyphs", "decomposed", "dotted"), _UNICODE),
    (("audit.lost", "row(s) hold characters that stand for none, as `�`", "take the rows anew from where they come "
      "from"), ("lost", "private"), ""),
)
_AROUND = 60
_OF = {oddity: told[0] for told, oddities, _ in _TOLD for oddity in oddities}
_ASKED = re.compile(r"\b(?:html|xml|svg|css|jsx|dom|markup|tags?|web|website|webpage|page|javascript|template|form|"
                    r"elements?|hyperlink|react|angular|vue|components?|buttons?)\b", re.I)


class Settings(BaseModel):
    """How grave it is."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """A finding for each kind of oddity, and the bars of all; markup that a prompt asks for is none."""
    found = {kind: Found() for kind in _OF.values()}
    counts = {side: Counter[str]() for side in sides}
    missing = _without_ftfy()
    for side, examples in sides.items():
        for example in examples:
            oddities = set(_odd(example, mojibake=missing is None))
            counts[side].update(oddities)
            for kind in {_OF[oddity] for oddity in oddities}:
                found[kind].add(example, _shown(example, [one for one in oddities if _OF[one] == kind]))
    findings = list(_findings(sides, settings, found))
    drawn = bars("Odd characters", "rows", counts)
    return Looked((*findings, *([missing] if missing and any(sides.values()) else [])), (drawn,) if findings else ())


def _findings(
    sides: Mapping[Side, Sequence[Example]], settings: Settings, found: Mapping[str, Found]
) -> Iterator[Noticed]:
    for (kind, what, remedy), _, command in _TOLD:
        rows = found[kind]
        if rows.count:
            mends = mending(sides, command, remedy, _MEANT) if command else f"{remedy}; {_MEANT}"
            yield noticed(settings, kind, f"{rows.count} {what}", rows.rows, mends, count=rows.count)


def _odd(example: Example, *, mojibake: bool) -> Iterator[str]:
    asked = isinstance(example, Conversation | Pair) and any(
        _ASKED.search(text) for role, text in spoken(example) if role in ("user", "prompt", "system"))
    for role, text in spoken(example):
        if role != "tools":
            yield from (kind for kind in odd(text, mojibake=mojibake) if not (asked and kind in ("tags", "entities")))


def _shown(example: Example, oddities: Sequence[str]) -> str:
    """The text that one of them was found in; of what nobody sees, the place, spelt out."""
    texts = [text for role, text in spoken(example) if role != "tools"]
    text = next((text for text in texts if not set(oddities).isdisjoint(odd(text, mojibake="mojibake" in oddities))),
                texts[0])
    if _OF[oddities[0]] != "audit.unseen":
        return text
    start = max(0, unseen(text) - _AROUND)
    return ("…" if start else "") + spelt(text[start:start + 3 * _AROUND])


def _without_ftfy() -> Noticed | None:
    """That wrong decodings are not looked for, where the package that tells them is missing."""
    try:
        mojibake_tools()
    except Misuse as error:
        return Noticed(Finding("note", "audit.not_looked", error.what, "data.audit", error.remedy), 0)
    return None
