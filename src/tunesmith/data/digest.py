"""A digest of examples by content, for the lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..records import Conversation, Example, Message, Pair

COMMON = ("where", "group", "source")
_WRITER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 (hex) over the examples in their order; where they stand in files does not count."""
    total = hashlib.sha256()
    for example in examples:
        values = {"kind": type(example).__name__, "group": example.group, "source": example.source, **_own(example)}
        total.update(_WRITER.encode(values).encode() + b"\n")
    return total.hexdigest()


def _own(example: Example) -> dict[str, Any]:
    """What a kind of example has for itself."""
    if isinstance(example, Conversation):
        told: dict[str, Any] = {"messages": [_turn(turn) for turn in example.messages]}
        return {**told, "tools": list(example.tools)} if example.tools else told
    if isinstance(example, Pair):
        rare = {"references": list(example.references), "language": example.language}
        told = {"prompt": example.prompt, "answer": example.answer}
        return told | {name: value for name, value in rare.items() if value}
    return {name: value for name, value in asdict(example).items() if name not in COMMON}


def _turn(turn: Message) -> dict[str, Any]:
    """What a turn has; what only some turns have is left out of the others."""
    rare = {"reasoning": turn.reasoning, "name": turn.name, "call": turn.call,
            "calls": [[call.name, call.arguments, call.id] for call in turn.calls]}
    return {"role": turn.role, "content": turn.content, "train": turn.train,
            **{name: value for name, value in rare.items() if value}}
