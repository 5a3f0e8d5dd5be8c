"""Personal data in the rows: e-mail addresses, phones, cards, accounts, IP addresses, keys of programs.

A model can say again whatever it has read, to anybody who asks. Names of people are not told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from ...contracts import Looking
from ...recipe.kinds import STRICT
from ...records import Example, Looked, Side
from ...text.personal import masked, personal
from ._drawing import bars
from ._mending import mending
from ._parts import spoken
from ._telling import Found, Severity, noticed

Kind = Literal["email", "phone", "card", "iban", "ip", "key", "id"]
_MASK = re.compile(r"\[[A-Z]+\]")
_BEFORE, _SHOWN = 30, 240  # characters: a line of a terminal must show the first piece


class Settings(BaseModel):
    """What is looked for."""

    model_config = STRICT

    severity: Severity = "warning"
    """How grave the findings of this check are: `off`, `note`, `warning` or `error`, which refuses the run."""

    kinds: tuple[Kind, ...] = Field(default=("email", "phone", "card", "iban", "ip", "key", "id"), min_length=1)
    """What is looked for: `email`, `phone`, `card`, `iban`, `ip`, `key` (of programs), `id` (of persons).

    Leave `phone` out where the numbers are those of shops and hotlines, which a model should give.
    """


def look(sides: Mapping[Side, Sequence[Example]], settings: Settings, given: Looking) -> Looked:
    """One finding for all rows with personal data, how much of each kind there is, and masked samples."""
    found, counts = Found(), {side: Counter[str]() for side in sides}
    for side, examples in sides.items():
        for example in examples:
            told = [(text, pieces) for _, text in spoken(example) if (pieces := personal(text, settings.kinds))]
            counts[side].update(piece.kind for _, pieces in told for piece in pieces)
            if told:
                found.add(example, _around(told[0][0], settings))
    if not found.count:
        return Looked()
    total = sum(counts.values(), Counter())
    what = f"{found.count} row(s) hold what looks like personal data: " \
        + ", ".join(f"{count} `{kind}`" for kind, count in total.most_common())
    remedy = mending(sides, "tunesmith clean DATA --output CLEAN.jsonl --steps pii", "masks it",
                     "where it is meant to be said, leave its kind out of the check's `kinds`")
    return Looked((noticed(settings, "audit.personal", what, found.rows, remedy, count=found.count),),
                  (bars("Personal data", "pieces", counts),))


def _around(text: str, settings: Settings) -> str:
    """What stands around the first piece, every piece masked."""
    hidden = masked(text, settings.kinds)
    first = _MASK.search(hidden)
    start = max(0, first.start() - _BEFORE) if first else 0
    return ("…" if start else "") + hidden[start:start + _SHOWN]
