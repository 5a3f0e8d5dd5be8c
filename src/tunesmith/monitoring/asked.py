"""What of an example a server would have been asked, and what of an answer is kept beside its text."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from ..data.chance import place_of
from ..records import Conversation, Example, Labelled, Pair, Question, Tagged

MOST_SCORES: Final = 10  # of a row: as many as `predictions.jsonl` keeps, which the reference is made of


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


def scores_of(output: Mapping[str, Any]) -> dict[str, float]:
    """How likely each label is to a head, the ten likeliest alone; nothing of a head that does not tell."""
    scores = output.get("scores")
    if not isinstance(scores, Mapping) or not all(map(isfinite, scores.values())):
        return {}
    return {name: scores[name] for name in sorted(scores, key=lambda name: (-scores[name], name))[:MOST_SCORES]}
