"""Control tokens that somebody typed: marked before a template renders, so that they stay text.

Each is wrapped in two private-use characters; the rendered text is split at them, and what stands between them is
encoded as text. The idea, the characters and so the ids are those of transformers' `sanitize_control_tokens`, with one
difference: in an assistant's turn only special tokens are marked. `<think>` there is the model's own, and the template
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ...records import Message
from ..templates.template import Tool
from .codec import Codec, Piece

OPEN, CLOSE = "\U000f0000", "\U000f0001"
KEPT = 4096


def mark(messages: Sequence[Message], codec: Codec) -> tuple[Message, ...]:
    """The messages with the control tokens of their texts wrapped."""
    kept = codec.marked
    if len(kept) > KEPT:
        kept.clear()
    return tuple([kept.get(message) or _kept(message, codec) for message in messages])


def pieces(rendered: str, codec: Codec) -> list[Piece]:
    """A rendered text cut at the marks, which are gone: what stood wrapped is typed text."""
    if OPEN not in rendered and CLOSE not in rendered:
        return [Piece(rendered, True)]
    parts = _splitter(codec.typed_by_anybody.pattern).split(rendered)
    return [Piece(part, index % 2 == 0) for index, part in enumerate(parts) if part]


def clean(rendered: str) -> str:
    """The rendered text without marks."""
    return rendered.replace(OPEN, "").replace(CLOSE, "")


def _kept(message: Message, codec: Codec) -> Message:
    anybody = _marking(codec.typed_by_anybody)
    own = _marking(codec.typed_by_assistant) if message.role == "assistant" else anybody
    return codec.marked.setdefault(message, each_text(message, own, anybody))


def _marking(control: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: control.sub(f"{OPEN}\\g<0>{CLOSE}", clean(text))


def each_text(message: Message, change: Callable[[str], str], change_calls: Callable[[str], str]) -> Message:
    """The message with every text that somebody wrote changed; those of calls may be changed in another way."""
    if not (message.reasoning or message.calls or message.role == "tool"):
        role, content = change(message.role), change(message.content)
        same = (role, content) == (message.role, message.content)
        return message if same else replace(message, role=role, content=content)
    calls = tuple(replace(call, name=change_calls(call.name), id=change_calls(call.id),
                          arguments=inside(call.arguments, change_calls)) for call in message.calls)
    return replace(message, content=change(message.content), reasoning=change(message.reasoning), calls=calls,
                   name=change(message.name), call=change(message.call))


def inside(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with its texts changed; names of fields stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: inside(each, change) for name, each in value.items()}
    return [inside(each, change) for each in value] if isinstance(value, (list, tuple)) else value


def mark_tools(tools: Sequence[Tool], codec: Codec) -> tuple[Tool, ...]:
    """The definitions of tools with the control tokens of their texts wrapped."""
    return tuple(inside(tool, _marking(codec.typed_by_anybody)) for tool in tools)


@lru_cache(maxsize=64)
def _splitter(control: str) -> re.Pattern[str]:
    return re.compile(f"{OPEN}({control}){CLOSE}|[{OPEN}{CLOSE}]")
