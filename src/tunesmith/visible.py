"""Text with what nobody could see, or what would steer a terminal or a page, spelt out."""

from __future__ import annotations

import unicodedata

TURNS_TEXT_ROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """The text with control characters spelt out: a data file must not steer a terminal or a page."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter in "\n\t" or (unicodedata.category(letter) not in ("Cc", "Cs") and letter not in TURNS_TEXT_ROUND):
        return letter
    return letter.encode("unicode_escape").decode("ascii")
