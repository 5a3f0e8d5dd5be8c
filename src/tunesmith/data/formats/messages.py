"""Conversations as lists of `role` and `content`, under `messages` or `conversations`.

Source: the OpenAI chat format, which most chat data sets on the Hugging Face Hub follow; `model` is Gemma's name for
the assistant. `content` may be a list of parts: texts are joined, `reasoning` (or `thinking`) and `tool_call` are taken
as what they say. An assistant's `tool_calls` (or the older `function_call`) are its calls, `reasoning_content`,
`reasoning` or `thinking` what it thought before; a `tool` answers. `train: false` (or `weight: 0`) on an assistant's
turn keeps it out of the loss. An optional column `system` is put before the turns, and `tools` offered in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ...contracts import Place
from ...errors import Refusal
from ...reading.quoting import quoted
from ...records import Call, Conversation, Message, Row
from ..fields import wrong_type
from ..places import leaves, turns
from ..tools import calls
from ..turns import column_of, from_list, speaker_key, unknown_role

makes: Final = Conversation
reads: Final[Literal["records"]] = "records"

_ROLES = {
    "system": "system", "user": "user", "assistant": "assistant", "model": "assistant",
    "tool": "tool", "function": "tool", "ipython": "tool",
}
_TOOLS = {name for name, role in _ROLES.items() if role == "tool"}
_REASONING = ("reasoning_content", "reasoning", "thinking")
_WORDS = ("text", "value", "thinking")  # of a part of a turn's content


class Settings(BaseModel):
    """Nothing needs to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def looks_like(fields: Mapping[str, Any]) -> bool:
    """Whether a row has turns that name a `role`."""
    return speaker_key(fields) == "role"


def columns(fields: Mapping[str, Any], settings: Settings) -> Iterable[str]:
    """The turns, the system prompt and the tools."""
    return [name for name in (column_of(fields), "system", "tools") if name in fields]


def texts(fields: Mapping[str, Any], settings: Settings) -> Iterable[Place]:
    """What is said in the turns, what was thought before, and the system prompt; nothing that is of tools."""
    yield from leaves(fields, ["system"])
    for place, turn in turns(fields, "role", _ROLES.keys() - _TOOLS):
        yield from ((*place, name) for name in ("content", *_REASONING) if isinstance(turn.get(name), str))
        parts = turn.get("content")
        for number, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, Mapping) and part.get("type") in ("text", "reasoning", "thinking"):
                yield from ((*place, "content", number, name) for name in _WORDS if isinstance(part.get(name), str))


def convert(row: Row, settings: Settings, *, answered: bool = True) -> Sequence[Conversation]:
    """One conversation. Raises Refusal for wrong types, unclear calls, unknown roles and rows without an answer."""
    return [from_list(row, _message, answered=answered, usual="messages")]


def _message(row: Row, place: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise wrong_type(row, place, turn, "an object with `role` and `content`")
    role = turn.get("role")
    if not isinstance(role, str):
        raise wrong_type(row, f"{place}.role", role, "a text")
    if role not in _ROLES:
        raise unknown_role(row, place, role, _ROLES)
    own, content = _ROLES[role], turn.get("content")
    called = _calls(row, place, turn)
    thought = _reasoning(row, place, turn)
    words, thought_too, more = _content(row, f"{place}.content", "" if content is None and called else content)
    if own != "assistant" and (called or more or thought or thought_too):
        raise Refusal("data.not_the_assistants", f"{place}, the {own}'s, has calls of tools or reasoning", row.where,
                      "let only an assistant's turn have them, or take the row out")
    answers = {name: _named(row, place, turn, name) for name in ("name", "tool_call_id")} if own == "tool" else {}
    return Message(own, words, _train(row, place, turn), reasoning=thought or thought_too, calls=(*called, *more),
                   name=answers.get("name", ""), call=answers.get("tool_call_id", ""))


def _calls(row: Row, place: str, turn: Mapping[str, Any]) -> tuple[Call, ...]:
    """What is called in the turn's own field, today's or the older one."""
    return (*calls(row, f"{place}.tool_calls", turn.get("tool_calls")),
            *calls(row, f"{place}.function_call", turn.get("function_call")))


def _reasoning(row: Row, place: str, turn: Mapping[str, Any]) -> str:
    """What an assistant thought, under whichever name it stands."""
    return next((text for text in (_named(row, place, turn, name) for name in _REASONING) if text), "")


def _named(row: Row, place: str, turn: Mapping[str, Any], name: str) -> str:
    value = turn.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong_type(row, f"{place}.{name}", value, "a text")
    return value or ""


def _content(row: Row, place: str, content: Any) -> tuple[str, str, tuple[Call, ...]]:
    """The text, the reasoning and the calls of a turn; parts of other types are refused."""
    if isinstance(content, str):
        return content, "", ()
    if not isinstance(content, list):
        raise wrong_type(row, place, content, "a text")
    found: dict[str, list[str]] = {"text": [], "reasoning": []}
    called: list[Call] = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        kind = "reasoning" if kind == "thinking" else kind
        if not isinstance(part, Mapping) or kind not in ("text", "reasoning", "tool_call"):
            raise Refusal("data.content_part", f"{place} has a part of type {quoted(kind)}", row.where,
                          'write the content as text, or as parts {"type": "text", "text": "…"}')
        value = next((part[name] for name in (*_WORDS, "tool_call") if name in part), None)
        if kind == "tool_call":
            called += calls(row, place, value)
        elif isinstance(value, str):
            found[kind].append(value)
        else:
            raise wrong_type(row, f"{place}.text", value, "a text")
    return "".join(found["text"]), "".join(found["reasoning"]), tuple(called)


def _train(row: Row, place: str, turn: Mapping[str, Any]) -> bool:
    train = turn.get("train", True)
    weight = turn.get("weight", 1)
    if not isinstance(train, bool):
        raise wrong_type(row, f"{place}.train", train, "true or false")
    if weight not in (0, 1):
        raise wrong_type(row, f"{place}.weight", weight, "0 or 1")
    return train and bool(weight)
