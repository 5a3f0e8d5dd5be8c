"""Words cut down to their stems, in lower case: for classic models that count words, and for no language model.

Stems are stemmed again until they stay as they are, so that a second time over changes nothing; Snowball's own rules
would cut some words further each time. Source: Snowball (Porter 1980, 2001), by the package snowballstemmer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...catalog import nearest
from ...contracts import Cleaned, Cleaner, Every
from ...errors import Misuse
from ...recipe.kinds import STRICT
from ...text.optional import needed

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HELD, _TIMES = 100_000, 20


class Settings(BaseModel):
    """Whose rules stem."""

    model_config = STRICT

    language: str = Field(default="english", min_length=1, max_length=40)
    """The language's name in English, such as `english`, `german`, `russian` or `turkish`; Azerbaijani has no stemmer.

    A wrong name is told with all that there are.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each text with its words as stems. Raises Misuse for a language without stemmer, and without snowballstemmer."""
    with needed("snowballstemmer", "the step `stem`"):
        import snowballstemmer
    known = snowballstemmer.algorithms()
    if settings.language not in known:
        raise _unknown(settings.language, known)
    stemmer = snowballstemmer.stemmer(settings.language)

    @lru_cache(_HELD)
    def stem(word: str) -> str:
        for _ in range(_TIMES):
            shorter = stemmer.stemWord(word.lower())
            if shorter == word or not shorter:
                break
            word = shorter
        return word

    def stemmed(text: str) -> str:
        for _ in range(_TIMES):  # a stem can fall into two words, as a letter with a mark that is none
            made = _WORD.sub(lambda found: stem(found.group()), text)
            if made == text:
                break
            text = made
        return text

    def clean(texts: tuple[str, ...]) -> Cleaned:
        made = tuple(map(stemmed, texts))
        return Cleaned(made, "" if made == texts else "words cut down to their stems")

    return clean


def _unknown(language: str, known: list[str]) -> Misuse:
    if language in ("az", "azerbaijani"):
        remedy = "leave `stem` out: for Azerbaijani, a tokenizer of subwords does what stems do; or lemmatise elsewhere"
    else:
        near = nearest(language, known)
        remedy = f"use `{near}`" if near else f"use one of: {', '.join(known)}"
    return Misuse("clean.no_stemmer", f"there is no stemmer for `{language}`", "stem.language", remedy)
