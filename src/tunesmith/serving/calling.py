"""Calls of tools: in the conversation that is asked, as the template is told them, and in the answer, read back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.tools import linked
from ..encoding.templates.calls import Way
from ..records import Call, Message
from .refusals import Refused
from .tools import arguments_of
from .wishes import ChatWish
from .written import Part, Token


def conversation(wish: ChatWish) -> list[Message]:
    """The turns. Raises Refused for arguments that are no JSON, and for a tool's answer to no call."""
    turns: list[Message] = []
    known: set[str] = set()
    for number, turn in enumerate(wish.messages):
        calls = []
        for place, call in enumerate(turn.tool_calls or ()):
            try:
                calls.append(Call(call.function.name, arguments_of(call), call.id))
            except ValueError as error:
                raise _wrong(f"messages.{number}.tool_calls.{place}.function.arguments", str(error)) from None
        known |= {call.id for call in calls}
        if turn.tool_call_id is not None and turn.tool_call_id not in known:
            raise _wrong(f"messages.{number}.tool_call_id", "no call before it has this id")
        turns.append(Message("system" if turn.role == "developer" else turn.role, turn.text, calls=tuple(calls),
                             call=turn.tool_call_id or ""))
    return linked(turns) if known else turns


def _wrong(path: str, what: str) -> Refused:
    return Refused(400, f"`{path}`: {what}", param=path, code="invalid_body")


def offered(wish: ChatWish) -> list[dict[str, Any]]:
    """The tools that may be called. Raises Refused for a promise about calls that nobody can keep."""
    if wish.tool_choice not in (None, "auto", "none"):
        raise Refused(400, "`tool_choice` is not supported other than as `auto` and `none`: a model cannot be made to "
                      "call", param="tool_choice", code="unsupported")
    if wish.parallel_tool_calls is False and wish.tools:
        raise Refused(400, "`parallel_tool_calls` is not supported as false: a model is not held to one call",
                      param="parallel_tool_calls", code="unsupported")
    names = [tool["function"]["name"] for tool in wish.tools or ()]
    if len(set(names)) < len(names):
        raise Refused(400, "`tools` has two of one name", param="tools", code="invalid_body")
    return list(wish.tools or ()) if wish.tool_choice != "none" else []


def calls_or_tools(messages: Sequence[Message], tools: Sequence[Any]) -> bool:
    """Whether the template has to know of tools at all."""
    return bool(tools) or any(message.calls or message.role == "tool" for message in messages)


def demand_told(messages: Sequence[Message], way: Way) -> None:
    """Raise Refused where the template would leave a call out."""
    if way.middle is None and any(len(message.calls) > 1 for message in messages):
        raise Refused(400, "`messages`: the template of this model writes one call a turn, and there is a turn with "
                      "more", param="messages", code="unsupported")


@dataclass(frozen=True)
class Heard:
    """What is told now of an answer: text, then calls as OpenAI writes them, the tokens of both, and how it ended."""

    text: str
    calls: Sequence[Mapping[str, Any]]
    tokens: Sequence[Token]
    finish: str


@dataclass
class Hearing:
    """An answer while it is heard: what may turn out to be calls is held back until it has ended.

    offered: the names of the tools; taken: ids of calls that are there already.
    """

    way: Way
    offered: Sequence[str]
    taken: set[str]
    text: str = ""
    _sent: int = 0
    _tokens: list[Token] = field(default_factory=list)

    def take(self, part: Part) -> Heard:
        """What can be told now that this has come."""
        self.text += part.text
        self._tokens += part.tokens
        if not part.finish:
            return self._told(self.way.held(self.text), (), "")
        # an answer that was cut may lack calls, and half of what was wanted is something else
        said, calls = self.way.read(self.text, self.offered) if part.finish == "stop" else (self.text, ())
        if not calls or len(said) < self._sent:
            return self._told(len(self.text), (), part.finish)
        return self._told(len(said), calls, "tool_calls")

    def _told(self, place: int, calls: Sequence[Call], finish: str) -> Heard:
        text = self.text[self._sent : place]
        self._sent = max(self._sent, place)
        begun = [token for token in self._tokens if finish or token.start < self._sent]
        self._tokens = self._tokens[len(begun) :]
        return Heard(text, [self._shown(call) for call in calls], begun, finish)

    def _shown(self, call: Call) -> Mapping[str, Any]:
        """With the id that the model wrote, or one that the strictest template takes: nine letters and digits."""
        own = call.id
        while not own or own in self.taken:
            own = secrets.token_hex(5)[:9]
        self.taken.add(own)
        return {"id": own, "type": "function", "function": {"name": call.name, "arguments": _text(call.arguments)}}


def _text(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON; in ASCII where half a character stands in them."""
    text = json.dumps(arguments, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(arguments)
    return text
