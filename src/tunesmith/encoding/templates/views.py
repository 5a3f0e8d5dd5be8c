"""A turn as a template wants to be told it: under which names it reads reasoning, and in which shape arguments.

Templates agree on `role` and `content` only. What an assistant thought is read from `reasoning_content`, `reasoning`,
`thinking` or `thought`, from a part of the content, or from the content itself between `<think>` and `</think>`; the
arguments of a call as an object or as JSON in a text. So each template is tried with one after another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ...records import Call, Message

NAMES = ("reasoning_content", "reasoning", "thinking", "thought")
PARTS, INSIDE = "parts", "content"
THOUGHT, SAID, ARGUMENT = "Thoughtprobe", "Saidprobe", "Argumentprobe"
CALL = Call("weather", {"place": ARGUMENT}, "call00000")
QUESTION = {"role": "user", "content": "Question"}
CALLED = (Message("assistant", "", calls=(CALL,)), Message("tool", "Found", name=CALL.name, call=CALL.id),
          Message("assistant", SAID))


@dataclass(frozen=True, slots=True)
class Ways:
    """reasoning: the name under which a template reads it, `parts` or `content`.

    as_text: arguments are JSON texts; bare: a call without words has no content rather than an empty one.
    """

    reasoning: str = INSIDE
    as_text: bool = False
    bare: bool = False


def find(tried: Callable[[Sequence[Mapping[str, Any]]], str]) -> Ways:
    """The ways of a template. tried: what it writes for turns; nothing where it does not take them."""
    message = Message("assistant", SAID, reasoning=THOUGHT)
    reasoning = next((way for way in (*NAMES, PARTS)
                      if _plainly(THOUGHT, tried([QUESTION, turn(message, Ways(way))]))), INSIDE)
    for as_text, bare in product((False, True), repeat=2):
        ways = Ways(reasoning, as_text, bare)
        if _plainly(ARGUMENT, tried([QUESTION, *(turn(each, ways) for each in CALLED)]), mapping=True):
            return ways
    for as_text in (False, True):
        ways = Ways(reasoning, as_text)
        if _plainly(ARGUMENT, tried([QUESTION, turn(CALLED[0], ways)]), mapping=True):
            return ways
    return Ways(reasoning)


def _plainly(text: str, written: str, *, mapping: bool = False) -> bool:
    """Whether a text was written, and not as a part of what Python or JSON would show of the value around it."""
    if mapping:
        return text in written and f"'{text}'}}" not in written
    return text in written and f"'{text}'" not in written and f'"{text}"' not in written


def turn(message: Message, ways: Ways) -> dict[str, Any]:
    """A turn as these ways tell it."""
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning and ways.reasoning == PARTS:
        told["content"] = [{"type": "thinking", "thinking": message.reasoning},
                           {"type": "text", "text": message.content}]
    elif message.reasoning and ways.reasoning == INSIDE:
        told["content"] = f"<think>\n{message.reasoning}\n</think>\n\n{message.content}"
    elif message.reasoning:
        told[ways.reasoning] = message.reasoning
    if message.calls:
        told["tool_calls"] = [_call(call, ways) for call in message.calls]
        if ways.bare and not message.content:
            del told["content"]
    told |= {"name": message.name} if message.name else {}
    return told | ({"tool_call_id": message.call} if message.call else {})


def _call(call: Call, ways: Ways) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False) if ways.as_text else dict(call.arguments)
    told = {"type": "function", "function": {"name": call.name, "arguments": arguments}}
    return {"id": call.id, **told} if call.id else told
