"""The default system prompt: `data.system` stands before every conversation that has none of its own."""

from __future__ import annotations

from dataclasses import replace

from ..records import Conversation, Example, Message, Pair


def with_system(example: Example, system: str | None) -> Example:
    """The example with the system prompt in front, where it is one that can have one and has none."""
    if system is None or not isinstance(example, Pair | Conversation):
        return example
    first = Message("system", system)
    if isinstance(example, Pair):
        turns = (first, Message("user", example.prompt), Message("assistant", example.answer))
        return Conversation(turns, example.where, example.group, example.source)
    if example.messages and example.messages[0].role == "system":
        return example
    return replace(example, messages=(first, *example.messages))
