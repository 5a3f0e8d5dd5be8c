"""Conversations as lists of `from` and `value`, under `conversations`, with an optional column `system`.

Source: the exports of ShareGPT (2023), as Vicuna's data used them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...records import Conversation, Message, Row
from ..fields import wrong_type
from ..turns import column_of, from_list, refuse_tools, speaker_key, unknown_role

makes: Final = Conversation
reads: Final[Literal["records"]] = "records"

_ROLES = {
    "system": "system", "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant",
}
_TOOLS = {"function_call", "observation", "tool", "function", "tool_call"}


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has turns that say whom they are `from`."""
    return speaker_key(fields) == "from"


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The turns, the system prompt, and `tools`, which is read to refuse it."""
    return [name for name in (column_of(fields), "system", "tools") if name in fields]


def convert(row: Row, settings: Settings) -> Sequence[Conversation]:
    """One conversation. Raises Refusal for wrong types, tools, unknown speakers and rows without an answer."""
    return [from_list(row, _message)]


def _message(row: Row, place: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise wrong_type(row, place, turn, "an object with `from` and `value`")
    speaker, value = turn.get("from"), turn.get("value")
    if not isinstance(speaker, str):
        raise wrong_type(row, f"{place}.from", speaker, "a text")
    if speaker in _TOOLS:
        raise refuse_tools(row, f"{place} is from `{speaker}`")
    if speaker not in _ROLES:
        raise unknown_role(row, place, speaker, _ROLES)
    if not isinstance(value, str):
        raise wrong_type(row, f"{place}.value", value, "a text")
    train = turn.get("train", True)
    if not isinstance(train, bool):
        raise wrong_type(row, f"{place}.train", train, "true or false")
    return Message(_ROLES[speaker], value, train)
