"""An `instruction`, an `input` that may be empty, and the `output`; `system` is optional.

The user's turn is the instruction, then a blank line and the input where there is one. Source: Stanford Alpaca (2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...errors import Refusal
from ...reading.naming import is_instruction
from ...records import Conversation, Message, Row
from ..fields import text
from ..places import leaves
from ..turns import conversation

makes: Final = Conversation
reads: Final[Literal["records"]] = "records"


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has an instruction and an output, and no list of turns."""
    return is_instruction(fields)


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The four columns of this format that the row has."""
    return [name for name in ("system", "instruction", "input", "output") if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """All four columns."""
    return leaves(fields, columns(fields, settings))


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Conversation]:
    """One conversation of one turn. Raises Refusal where a text is missing or empty."""
    parts = [text(row, "instruction", may_be_empty="instruction" in row.values),
             text(row, "input", may_be_empty=True)]
    asked = "\n\n".join(part for part in parts if part.strip())
    if not asked:
        raise Refusal("data.empty_field", "`instruction` is empty", row.where,
                      "fill in `instruction`, or take the row out")
    turns = [Message("user", asked), Message("assistant", text(row, "output", may_be_empty=not answered))]
    return [conversation(row, turns, system=text(row, "system", may_be_empty=True), problems=(), answered=answered)]
