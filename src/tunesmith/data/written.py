"""An example as JSON and back again: what its digest is taken of, and how it is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..records import Answer, Call, Conversation, Example, Labelled, Message, Pair, Question, Tagged, Text

KINDS: Mapping[str, type[Example]] = {
    kind.__name__: kind for kind in (Conversation, Pair, Text, Labelled, Tagged, Question)}
COMMON = ("where", "group", "source")


def told(example: Example) -> dict[str, Any]:
    """All that an example says and what kind it is, but not where it stands."""
    return {"kind": type(example).__name__, "group": example.group, "source": example.source, **_own(example)}


def read(values: Mapping[str, Any]) -> Example:
    """The example that `told` gave, with `where` beside the rest; equal to the one it was made of."""
    kind = KINDS[values["kind"]]
    own = {name: value for name, value in values.items() if name != "kind"}
    if kind is Conversation:
        own |= {"messages": tuple(map(_message, own["messages"])), "tools": tuple(own.get("tools", ()))}
    elif kind is Question and own["answers"] is not None:
        own["answers"] = tuple(Answer(**answer) for answer in own["answers"])
    make: Any = kind
    made: Example = make(**{name: tuple(value) if isinstance(value, list) else value for name, value in own.items()})
    return made


def _own(example: Example) -> dict[str, Any]:
    """What a kind of example has for itself."""
    if isinstance(example, Conversation):
        turns: dict[str, Any] = {"messages": [_turn(turn) for turn in example.messages]}
        return {**turns, "tools": list(example.tools)} if example.tools else turns
    if isinstance(example, Pair):
        rare = {"references": list(example.references), "language": example.language}
        pair = {"prompt": example.prompt, "answer": example.answer}
        return pair | {name: value for name, value in rare.items() if value}
    return {name: value for name, value in asdict(example).items() if name not in COMMON}


def _turn(turn: Message) -> dict[str, Any]:
    """What a turn has; what only some turns have is left out of the others."""
    rare = {"reasoning": turn.reasoning, "name": turn.name, "call": turn.call,
            "calls": [[call.name, call.arguments, call.id] for call in turn.calls]}
    return {"role": turn.role, "content": turn.content, "train": turn.train,
            **{name: value for name, value in rare.items() if value}}


def _message(values: Mapping[str, Any]) -> Message:
    return Message(**{**values, "calls": tuple(Call(*call) for call in values.get("calls", ()))})
