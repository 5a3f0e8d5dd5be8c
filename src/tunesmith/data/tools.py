"""Tools in rows: their definitions, an assistant's calls, and which answer belongs to which call.

Sources: OpenAI's function calling (`tools`, `tool_calls`, `tool_call_id`; the older `function_call`), and the column
`tools` and the turns `function_call` and `observation` that LLaMA-Factory added to ShareGPT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import Refusal
from ..records import Call, Message, Row
from .fields import wrong_type

NONE: tuple[Any, ...] = (None, "", "[]", "{}", "null", [], {})


def definitions(row: Row, name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    """The definitions under a field, as OpenAI writes them. Raises Refusal for what is no list of tools."""
    if value in NONE:
        return ()
    found = _parsed(row, name, value)
    return tuple(_definition(row, f"{name}[{number}]", each)
                 for number, each in enumerate(found if isinstance(found, list) else [found], 1))


def calls(row: Row, place: str, value: Any) -> tuple[Call, ...]:
    """The calls of a turn. Raises Refusal for what names no tool, or whose arguments are no object."""
    if value in NONE:
        return ()
    found = _parsed(row, place, value)
    return tuple(_call(row, f"{place}[{number}]", each)
                 for number, each in enumerate(found if isinstance(found, list) else [found], 1))


def linked(turns: Sequence[Message]) -> list[Message]:
    """The turns with an id for every call, and with the call's id and the tool's name on every answer of a tool.

    An id that is missing is made: nine letters and digits, which the strictest template takes. Answers without an id
    belong to the calls before them in their order.
    """
    made: list[Message] = []
    waiting: list[Call] = []
    count = 0
    for turn in turns:
        if turn.calls:
            named = []
            for call in turn.calls:
                named.append(call if call.id else replace(call, id=f"call{count:05d}"))
                count += 1
            turn, waiting = replace(turn, calls=tuple(named)), named
        elif turn.role == "tool" and waiting:
            asked = next((call for call in waiting if call.id == turn.call), None)
            asked = asked or (waiting[0] if not turn.call else None)
            if asked is not None:
                waiting = [call for call in waiting if call is not asked]
                turn = replace(turn, call=asked.id, name=turn.name or asked.name)
        made.append(turn)
    return made


def _parsed(row: Row, place: str, value: Any) -> Any:
    """JSON that stands in a text, or the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _unclear(row, f"`{place}` is a text that is no JSON") from error


def _definition(row: Row, place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(row, place, value, "an object with the tool's `name`")
    function = value.get("function", value)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _unclear(row, f"`{place}` names no tool")
    return value if "function" in value else {"type": "function", "function": dict(value)}


def _call(row: Row, place: str, value: Any) -> Call:
    if not isinstance(value, Mapping):
        raise wrong_type(row, place, value, "an object with the tool's `name` and `arguments`")
    function = value.get("function", value)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
        raise _unclear(row, f"`{place}` names no tool")
    arguments = function.get("arguments", function.get("parameters", {}))
    arguments = {} if arguments in NONE else _parsed(row, f"{place}.arguments", arguments)
    if not isinstance(arguments, Mapping):
        raise _unclear(row, f"`{place}.arguments` is no JSON object")
    given = value.get("id")
    return Call(name, arguments, given if isinstance(given, str) else "")


def _unclear(row: Row, what: str) -> Refusal:
    return Refusal("data.tool_turns", what, row.where,
                   'write {"type": "function", "function": {"name": …, "arguments": {…}}}, or take the row out')
