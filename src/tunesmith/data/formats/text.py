"""Plain text in a column `text`; `.txt` and `.md` files give one such row for each paragraph (or line).

Source: the usual shape of corpora for continued pre-training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...reading.naming import ANSWERS, LABELS, first, is_pair, is_squad, is_tagged, is_talk
from ...records import Row, Text
from ..fields import normalised, text
from ..places import leaves

makes: Final = Text
reads: Final[Literal["records"]] = "records"


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has `text`, no label, and is neither a conversation nor a pair nor tagged words."""
    other = is_talk(fields) or is_pair(fields) or is_tagged(fields) or is_squad(fields)
    labelled = first(fields, LABELS) is not None and "context" not in fields
    answered = "instruction" in fields and first(fields, ANSWERS) is not None
    return "text" in fields and not other and not labelled and not answered


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The text."""
    return [name for name in ("text",) if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """The text."""
    return leaves(fields, ["text"])


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Text]:
    """One text. Raises Refusal where it is missing, no text or empty."""
    words = text(row, "text")
    return [Text(words, row.where, normalised(words))]
