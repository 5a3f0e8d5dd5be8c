"""What of an example a server would have been asked, and what of an answer is kept beside its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data.chance import place_of
from ..records import Conversation, Example, Labelled, Pair, Question, Tagged


def asked(example: Example) -> str:
    """What a user would have sent last: of a conversation one of the user's turns, chosen by its place in the data."""
    if isinstance(example, Conversation):
        turns = [turn.content for turn in example.messages if turn.role == "user"]
        return turns[int(place_of(0, example.where) * len(turns))] if turns else ""
    if isinstance(example, Pair):
        return example.prompt
    if isinstance(example, Labelled):
        return example.text if example.second is None else f"{example.text}\n{example.second}"
    if isinstance(example, Tagged):
        return example.text or " ".join(example.words)
    if isinstance(example, Question):
        return f"{example.question}\n{example.context}"
    return example.text


def label_of(output: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """The label of what a head said (several in one text), and of a single one its probability; None where it has none.

    output: as `tunesmith predict` writes it.
    """
    if "labels" in output:
        return ", ".join(sorted(output["labels"])), None
    label = output.get("label")
    if not isinstance(label, str):
        return None, None
    return label, output.get("scores", {}).get(label)
