"""Conversations as lists of `from` and `value`, under `conversations`, with optional columns `system` and `tools`.

Source: the exports of ShareGPT (2023), as Vicuna's data used them; LLaMA-Factory for `function_call`, whose value is
the call as JSON, and `observation`, the tool's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...records import Conversation, Message, Row
from ..fields import wrong_type
from ..places import leaves, turns
from ..tools import calls
from ..turns import column_of, from_list, speaker_key, unknown_role

makes: Final = Conversation
reads: Final[Literal["records"]] = "records"

_ROLES = {
    "system": "system", "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant",
    "function_call": "assistant", "tool_call": "assistant", "observation": "tool", "tool": "tool", "function": "tool",
}
_CALLS = {"function_call", "tool_call"}
_SPEAKERS = {name for name, role in _ROLES.items() if role != "tool"} - _CALLS


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has turns that say whom they are `from`."""
    return speaker_key(fields) == "from"


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The turns, the system prompt and the tools."""
    return [name for name in (column_of(fields), "system", "tools") if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """What is said in the turns, and the system prompt; nothing that is of tools."""
    yield from leaves(fields, ["system"])
    for place, turn in turns(fields, "from", _SPEAKERS):
        if isinstance(turn.get("value"), str):
            yield (*place, "value")


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Conversation]:
    """One conversation. Raises Refusal for wrong types, unclear calls, unknown speakers and rows without an answer."""
    return [from_list(row, _message, answered=answered)]


def _message(row: Row, place: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise wrong_type(row, place, turn, "an object with `from` and `value`")
    speaker, value = turn.get("from"), turn.get("value")
    if not isinstance(speaker, str):
        raise wrong_type(row, f"{place}.from", speaker, "a text")
    if speaker not in _ROLES:
        raise unknown_role(row, place, speaker, _ROLES)
    if not isinstance(value, str):
        raise wrong_type(row, f"{place}.value", value, "a text")
    train = turn.get("train", True)
    if not isinstance(train, bool):
        raise wrong_type(row, f"{place}.train", train, "true or false")
    if speaker in _CALLS:
        return Message("assistant", "", train, calls=calls(row, f"{place}.value", value))
    return Message(_ROLES[speaker], value, train)
