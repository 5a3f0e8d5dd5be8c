"""Texts of whole sentences: long rows of plain text cut between them, and what is left of a last one seen to.

A row of plain text becomes several rows, each of as many sentences as fit; a sentence that is longer by itself stays
whole. Rows with several texts (a question and its answer, a conversation) are never cut, and of a row with one text and
a label nobody knows which part the label is of, so such a row is refused. Source: sentencex (Wikimedia).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, Field

from ...contracts import Cleaned, Cleaner, Every
from ...recipe.kinds import STRICT
from ...text.optional import needed

rewrites: Final = True
sees: Final[Literal["a row"]] = "a row"
_ENDED = re.compile(r"""[.!?…:;。！？؟۔।։።](?:["'»”’)\]*_]|\s)*$|```\s*$""")


class Settings(BaseModel):
    """How long a row of plain text may be, and what becomes of a text that breaks off."""

    model_config = STRICT

    language: str = Field(default="en", pattern=r"^[a-z]{2,3}$", examples=["az"])
    """The language whose rules say where sentences end, by its code, such as `en`, `az` or `de`."""

    characters: int = Field(default=2000, ge=0, le=10_000_000)
    """The most characters of a row of plain text, which is cut between sentences: up to 10,000,000; 0: never cut.

    Try three times the tokens of `training.max_length`.
    """

    unfinished: Literal["keep", "trim", "drop"] = "keep"
    """What becomes of a row whose last text breaks off in its last sentence: `keep`, `trim` that sentence, or `drop`.

    Only texts of several sentences can break off: headings and short answers have no full stop, and stay.
    """


def cleaner(settings: Settings, every: Every) -> Cleaner:
    """Each row with its last sentence seen to, and cut where it is too long. Raises Misuse without sentencex."""
    with needed("sentencex", "the step `sentences`"):
        import sentencex

    def split(text: str) -> list[str]:
        return list(sentencex.segment(settings.language, text))

    def clean(texts: tuple[str, ...]) -> Cleaned:
        last = texts[-1] if texts else ""
        whole = last
        if settings.unfinished != "keep" and not _ENDED.search(last):
            whole = _finished(split(last))
        if whole != last and settings.unfinished == "drop":
            return Cleaned(texts, "the last text breaks off in a sentence", dropped=True)
        why = [f"{len(last) - len(whole)} characters of a sentence that breaks off trimmed"] if whole != last else []
        made = (*texts[:-1], whole) if texts else texts
        if len(made) == 1 and settings.characters and len(whole) > settings.characters:
            parts = list(_parts(split(whole), settings.characters))
            if len(parts) > 1:
                return Cleaned((parts[0],), "; ".join([*why, f"cut into {len(parts)} between sentences"]),
                               more=tuple((part,) for part in parts[1:]))
        return Cleaned(made, "; ".join(why))

    return clean


def _finished(sentences: list[str]) -> str:
    """The text up to its last sentence that has an end; all of it where none has."""
    kept = len(sentences)
    while kept and not _ENDED.search(sentences[kept - 1]):
        kept -= 1
    return "".join(sentences[:kept] or sentences).rstrip() if kept < len(sentences) else "".join(sentences)


def _parts(sentences: list[str], characters: int) -> Iterator[str]:
    held = ""
    for sentence in sentences:
        if held.strip() and len(held) + len(sentence.rstrip()) > characters:
            yield held.strip()
            held = ""
        held += sentence
    if held.strip():
        yield held.strip()
