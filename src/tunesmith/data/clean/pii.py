"""Personal data out of texts: e-mail addresses, phones, cards, accounts, IP addresses, keys (`personal.py` tells).

Names of people, and streets, are not told. What is hidden is hidden by its kind: `[EMAIL]`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT
from ...text.personal import masked, personal

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
Kind = Literal["email", "phone", "card", "iban", "ip", "key", "id"]


class Settings(BaseModel):
    """What is looked for, and what becomes of it."""

    model_config = STRICT

    way: Literal["mask", "drop"] = "mask"
    """What becomes of it: `mask` writes the kind in its place, `[PHONE]`; `drop` leaves the row out."""

    kinds: tuple[Kind, ...] = Field(default=("email", "phone", "card", "iban", "ip", "key", "id"), min_length=1)
    """What is looked for: `email`, `phone`, `card`, `iban`, `ip`, `key` (of programs), `id` (of persons).

    Leave `phone` out where rows hold numbers of shops and hotlines that a model should give.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text with its personal data masked, or its row dropped."""
    def clean(texts: tuple[str, ...]) -> Cleaned:
        found = Counter(one.kind for text in texts for one in personal(text, settings.kinds))
        if not found:
            return Cleaned(texts)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
        if settings.way == "drop":
            return Cleaned(texts, f"personal data: {counts}", dropped=True)
        return Cleaned(tuple(masked(text, settings.kinds) for text in texts), f"masked: {counts}")

    return clean
