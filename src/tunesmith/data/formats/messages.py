"""Conversations as lists of `role` and `content`, under `messages` or `conversations`.

Source: the OpenAI chat format, which most chat data sets on the Hugging Face Hub follow; `model` is Gemma's name for
the assistant. `content` may be a list of text parts, which are joined. `train: false` (or `weight: 0`) on an
assistant's turn keeps it out of the loss. An optional column `system` is put before the turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...errors import Refusal
from ...records import Conversation, Message, Row
from ..fields import wrong_type
from ..quoting import quoted
from ..turns import NO_TOOLS, column_of, from_list, refuse_tools, speaker_key, unknown_role

makes: Final = Conversation
reads: Final[Literal["records"]] = "records"

_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "model": "assistant"}
_TOOLS = {"tool", "function", "ipython"}


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has turns that name a `role`."""
    return speaker_key(fields) == "role"


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The turns, the system prompt, and `tools`, which is read to refuse it."""
    return [name for name in (column_of(fields), "system", "tools") if name in fields]


def convert(row: Row, settings: Settings) -> Sequence[Conversation]:
    """One conversation. Raises Refusal for wrong types, tools, unknown roles and rows without an answer."""
    return [from_list(row, _message)]


def _message(row: Row, place: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise wrong_type(row, place, turn, "an object with `role` and `content`")
    role = turn.get("role")
    if not isinstance(role, str):
        raise wrong_type(row, f"{place}.role", role, "a text")
    if role in _TOOLS or turn.get("tool_calls") not in NO_TOOLS or turn.get("function_call") not in NO_TOOLS:
        raise refuse_tools(row, f"{place} calls a tool or is a tool's answer")
    if role not in _ROLES:
        raise unknown_role(row, place, role, _ROLES)
    for name in ("reasoning_content", "reasoning", "thinking"):
        if turn.get(name):
            raise Refusal("data.reasoning", f"{place} has its reasoning apart, in `{name}`", row.where,
                          "write the reasoning into `content` in the way of the model's template, or take it out")
    return Message(_ROLES[role], _content(row, f"{place}.content", turn.get("content")), _train(row, place, turn))


def _content(row: Row, place: str, content: Any) -> str:
    """The text of a turn; parts of other types than text are refused."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong_type(row, place, content, "a text")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("tool_call", "tool_use", "tool_result"):
            raise refuse_tools(row, f"{place} has a part of type `{kind}`")
        if not isinstance(part, Mapping) or kind != "text":
            raise Refusal("data.content_part", f"{place} has a part of type {quoted(kind)}", row.where,
                          'write the content as text, or as parts {"type": "text", "text": "…"}')
        words = part.get("text", part.get("value"))
        if not isinstance(words, str):
            raise wrong_type(row, f"{place}.text", words, "a text")
        texts.append(words)
    return "".join(texts)


def _train(row: Row, place: str, turn: Mapping[str, Any]) -> bool:
    train = turn.get("train", True)
    weight = turn.get("weight", 1)
    if not isinstance(train, bool):
        raise wrong_type(row, f"{place}.train", train, "true or false")
    if weight not in (0, 1):
        raise wrong_type(row, f"{place}.weight", weight, "0 or 1")
    return train and bool(weight)
