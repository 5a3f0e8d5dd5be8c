"""All that an example says, whatever its kind: by this rows are recognised, and their lengths guessed."""

from __future__ import annotations

import json

from ..records import Conversation, Example, Labelled, Pair, Question, Tagged


def texts(example: Example) -> list[str]:
    """The texts of an example in their order; a pair's are those of a conversation of its two turns."""
    if isinstance(example, Pair):
        return [example.prompt, example.answer]
    if isinstance(example, Conversation):
        return [turn.content for turn in example.messages if turn.role != "system"]
    if isinstance(example, Labelled):
        return [example.text] if example.second is None else [example.text, example.second]
    if isinstance(example, Tagged):
        return [example.text or " ".join(example.words)]
    if isinstance(example, Question):
        return [example.question, example.context]
    return [example.text]


def characters(example: Example) -> int:
    """About how many characters a model is given for it, with what stands around the texts."""
    if not isinstance(example, Conversation):
        return sum(map(len, texts(example))) + (80 if isinstance(example, Pair) else 0)
    return len(json.dumps(example.tools)) + sum(
        len(message.role) + len(message.content) + len(message.reasoning) + 20
        + sum(len(json.dumps(call.arguments)) + 40 for call in message.calls) for message in example.messages)
