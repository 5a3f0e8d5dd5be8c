"""How a template writes calls of tools, found by trying, and proved by reading them back.

No names of models: known calls are rendered, and the words around them are the way. It is believed only where trial
conversations give back their own calls, and where a prompt tells of the tools and of what they found. Where a template
writes each argument for itself (`<parameter=count>3`), a text cannot be told from a number, and there is no way.

llama.cpp finds its parsers by comparing renders too (`common/chat-auto-parser.h`); vLLM has one for each family.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from ...errors import Refusal
from ...records import Call, Message
from ..documents import chat
from ..templates.calls import ID, Way, json_object, said_from
from ..templates.template import Tool
from ..tokens.codec import Codec

NAMES = ("trial_first", "trial_second")
SAID, FOUND = "Saidprobe", "Foundprobe"
QUESTION = Message("user", "Question")
PLAIN = {"place": "Argumentprobe", "count": 3}
TOOLS: tuple[Tool, ...] = tuple({"type": "function", "function": {
    "name": name, "description": "A trial.", "parameters": {
        "type": "object", "properties": {"place": {"type": "string", "description": "The place."}},
        "required": []}}} for name in NAMES)
TRIALS: tuple[Mapping[str, Any], ...] = (
    PLAIN,
    {},
    {"a": "", "b": None, "c": [True, False, -1, 2.5, [], {}], "d": {"e": {"f": "3"}}},
    {"öl": 'said "no" \\ {"name": "x"}\n\t', "b": " </b> \u2028 🙂 ' }} ]"},
    {"number": "3", "list": "[1]", "none": "null"},
)


def way_of(codec: Codec) -> Way:
    """How this codec's template writes calls. Raises Refusal, saying why, where that cannot be told for sure."""
    found = _found(codec)
    if isinstance(found, Way):
        return found
    raise Refusal("template.calls_unread", f"calls of tools cannot be told and read back with this template: {found}",
                  codec.require_template().name, "leave the tools out, or tune with `data.template: chatml-tools`")


@lru_cache(maxsize=64)
def _found(codec: Codec) -> Way | str:
    """The way, or why there is none."""
    codec.require_template()
    try:
        way = _derived(lambda content, calls: _written(codec, content, calls))
        for content, calls in _trials(several=way.middle is not None):
            _prove(way, _written(codec, content, calls), content, calls)
        _told(codec)
    except Refusal as refusal:
        return refusal.what
    return way


def _told(codec: Codec) -> None:
    """Raise Refusal where a prompt says nothing of the tools, or of what one has found."""
    call = Call(NAMES[0], PLAIN, "call00000")
    turns = [QUESTION, Message("assistant", "", calls=(call,)), Message("tool", FOUND, name=call.name, call=call.id)]
    asked, goes_on = (chat.prompt_and_text(each, codec, TOOLS)[1] for each in (turns[:1], turns))
    if not all(name in asked for name in NAMES):
        _unclear("it does not tell the model of the tools that are offered")
    if FOUND not in goes_on:
        _unclear("it does not tell the model what a tool has found")


def _derived(write: Callable[[str, Sequence[Call]], str]) -> Way:
    """What stands around known calls. write: what an assistant writes that says and calls this."""
    first, second = (Call(name, PLAIN, f"call0000{number}") for number, name in enumerate(NAMES))
    text = write("", [first])
    form, begins, ends = _spot(text, first, 0)
    lead, trail, middle = text[:begins], text[ends:], None
    try:
        both = write("", [first, second])
    except Refusal:
        both = ""  # the template takes one call a turn
    if second.name in both:
        _, _, ends = _spot(both, first, 0)
        another, begins, _ = _spot(both, second, ends)
        if another != form:
            _unclear("it writes two calls of one turn in different ways")
        middle = both[ends:begins].replace(second.id, ID)
    said = write(SAID, [first])
    if SAID in said:  # what stands there only while nothing is said, such as a blank, marks no call
        lead = _shared_end(lead, said[said.rindex(SAID) + len(SAID) : _spot(said, first, 0)[1]])
    return Way(lead.replace(first.id, ID), trail, middle, **form)


def _spot(text: str, call: Call, start: int) -> tuple[dict[str, Any], int, int]:
    """How a call stands in a text, and from where to where. Raises Refusal where it does not, as JSON."""
    for brace in re.finditer("{", text[start:]):
        begins = start + brace.start()
        found, ends = json_object(text, begins)
        if found is None:
            continue
        name = _key(found, call.name)
        arguments = _key(found, call.arguments) or _key(found, json.dumps(call.arguments))
        if name and arguments:
            return {"name": name, "arguments": arguments, "known": frozenset(found),
                    "id": _key(found, call.id)}, begins, ends
        outside = text.rfind(call.name, start, begins)
        if found == call.arguments and outside >= 0:
            between = text[outside + len(call.name) : begins]
            return {"named": between.replace(call.id, ID)}, outside, ends
    return _unclear("it does not write the arguments of a call as one JSON object")


def _trials(*, several: bool) -> Iterator[tuple[str, Sequence[Call]]]:
    for number, arguments in enumerate(TRIALS):
        first = Call(NAMES[0], arguments, f"call0000{number}")
        second = Call(NAMES[1], TRIALS[number - 1], f"call0001{number}")
        yield from ((content, calls) for content in ("", SAID) for calls in ([first], [first, second])
                    if several or len(calls) == 1)


def _prove(way: Way, text: str, content: str, calls: Sequence[Call]) -> None:
    """Raise Refusal where what was written is not read back: the calls as they were, and what was said before them."""
    said, found = way.read(text, NAMES)
    if [(call.name, call.arguments) for call in found] != [(call.name, call.arguments) for call in calls]:
        _unclear("calls that it wrote are not read back as they were")
    if said[said_from(said) :].strip() not in ("", content) or (content in text and content not in said):
        _unclear("it writes more around a call than can be told from what is said before it")


def _written(codec: Codec, content: str, calls: Sequence[Call]) -> str:
    return chat.answer([QUESTION, Message("assistant", content, calls=tuple(calls))], codec, TOOLS)


def _key(found: Mapping[str, Any], value: Any) -> str:
    return next((key for key, each in found.items() if each == value), "")


def _shared_end(one: str, other: str) -> str:
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return one[len(one) - count :]


def _unclear(why: str) -> NoReturn:
    raise Refusal("template.calls_unread", why)
