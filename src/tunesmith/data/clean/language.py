"""Rows out that are in another language than those that are wanted, as py3langid tells it.

A text that does not tell (fewer than 20 letters, code, numbers) keeps its row. Azerbaijani without its own letters is
often taken for Turkish: name `among` what the rows can be in, and look at the ledger.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Cleaned, Cleaner, Every
from ...errors import Misuse
from ...reading.quoting import listed
from ...recipe.kinds import STRICT
from ...text.language import codes, language

rewrites: Final = False
sees: Final[Literal["a row"]] = "a row"


class Settings(BaseModel):
    """Which languages stay."""

    model_config = STRICT

    languages: tuple[str, ...] = ()
    """The languages that stay, by their ISO 639 codes: `[az]`, `[az, en]` for rows of translations. It must be said."""

    among: tuple[str, ...] = ()
    """The languages that rows can be in at all, `[az, tr, en, ru]`; none: 139 of them.

    Fewer are told apart more surely, and short texts are not taken for some far language.
    """

    sure: float = Field(default=0.9, ge=0.5, le=1)
    """How sure another language must be for its row to go: 0.5 to 1. Try 0.7 where rows are long."""


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Drops a row of which one text is surely in another language. Raises Misuse for no languages, or unknown ones."""
    if not settings.languages:
        raise Misuse("clean.languages", "the step `language` is not told which languages stay", "languages",
                     "name them: `language.languages=[az]`")
    strange = [name for name in (*settings.languages, *settings.among) if name not in codes()]
    if strange:
        raise Misuse("clean.languages", f"no language that can be told: {listed(strange)}", "languages",
                     f"use codes of ISO 639: {', '.join(sorted(codes()))}")
    among = {*settings.languages, *settings.among} if settings.among else ()

    def clean(texts: tuple[str, ...]) -> Cleaned:
        for text in texts:
            found = language(text, among)
            if found.code and found.code not in settings.languages and found.share >= settings.sure:
                return Cleaned(texts, f"a text is in another language, `{found.code}`", dropped=True)
        return Cleaned(texts)

    return clean
