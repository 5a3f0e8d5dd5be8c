"""A digest of examples by content, for the lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ..records import Conversation, Example, Pair

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
        return {"messages": [
            {"role": turn.role, "content": turn.content, "train": turn.train} for turn in example.messages]}
    if isinstance(example, Pair):
        return {"prompt": example.prompt, "answer": example.answer}
    return {"text": example.text}
