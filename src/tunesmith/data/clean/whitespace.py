"""Blanks of every kind made plain: one between words, none at the ends of lines, at most one empty line in a row.

The indentation of a text's lines stays, with all blanks of such lines: code and lists would mean other things without.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import BaseModel

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_BLANKS, _LINES, _ODD = re.compile(r"[^\S\n]+"), re.compile(r"\n{3,}"), re.compile(r"[^\S \t]")
_INDENTED = re.compile(r"(?: {2}|\t)\s*\S")
_PLAIN = re.compile(r"\S+(?: \S+)*")
_FENCE = "```"


class Settings(BaseModel):
    """Whether the lines of a text stay, and what stands before them."""

    model_config = STRICT

    lines: bool = True
    """Whether line breaks stay, at most two in a row; `false` makes one line of a text."""

    indents: bool = True
    """Whether lines that begin with two blanks or a tab keep all their blanks, and lines between marks of code too.

    `false` is for rows without code, lists and tables.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text with its blanks made plain."""
    def clean(texts: tuple[str, ...]) -> Cleaned:
        made = tuple(_plain(text, lines=settings.lines, indents=settings.indents) for text in texts)
        return Cleaned(made, "" if made == texts else "blanks made plain")

    return clean


def _plain(text: str, *, lines: bool, indents: bool) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if not lines:
        return " ".join(text.split())
    each = text.splitlines()
    kept = indents and sum(map(bool, map(str.strip, each))) > 1  # of a single line, blanks before it mean nothing
    made, code = [], False
    for line in each:
        fence = line.strip().startswith(_FENCE)
        code ^= fence
        if kept and (code or fence or _INDENTED.match(line)):
            made.append(_ODD.sub(" ", line).rstrip())
        else:
            made.append(_BLANKS.sub(" ", line).strip())
    whole = _LINES.sub("\n\n", "\n".join(made)).strip("\n")
    return whole if kept else whole.strip()
