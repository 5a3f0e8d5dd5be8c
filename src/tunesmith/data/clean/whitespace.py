"""Blanks of every kind made plain: one between words, none around lines, no more than one empty line in a row."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import BaseModel

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_BLANKS, _LINES = re.compile(r"[^\S\n]+"), re.compile(r"\n{3,}")


class Settings(BaseModel):
    """Whether the lines of a text stay."""

    model_config = STRICT

    lines: bool = True
    """Whether line breaks stay, at most two in a row; `false` makes one line of a text."""


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text with its blanks made plain."""
    def clean(texts: tuple[str, ...]) -> Cleaned:
        made = tuple(_plain(text, lines=settings.lines) for text in texts)
        return Cleaned(made, "" if made == texts else "blanks made plain")

    return clean


def _plain(text: str, *, lines: bool) -> str:
    if not lines:
        return " ".join(text.split())
    each = [_BLANKS.sub(" ", line).strip() for line in text.splitlines()]
    return _LINES.sub("\n\n", "\n".join(each)).strip()
