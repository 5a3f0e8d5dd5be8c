"""Control tokens that somebody typed: marked before a template renders, so that they stay text.

Each is wrapped in two private-use characters; the rendered text is split at them, and what stands between them is
encoded as text. The idea, the characters and so the ids are those of transformers' `sanitize_control_tokens`, with one
difference: in an assistant's turn only special tokens are marked. `<think>` there is the model's own, and the template
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from ..records import Message
from .codec import Codec, Piece

OPEN, CLOSE = "\U000f0000", "\U000f0001"
KEPT = 4096


def mark(messages: Sequence[Message], codec: Codec) -> tuple[Message, ...]:
    """The messages with the control tokens of their texts wrapped."""
    kept = codec.marked
    if len(kept) > KEPT:
        kept.clear()
    return tuple([kept.get(message) or _kept(message, codec) for message in messages])


def pieces(rendered: str, codec: Codec) -> list[Piece]:
    """A rendered text cut at the marks, which are gone: what stood wrapped is typed text."""
    if OPEN not in rendered and CLOSE not in rendered:
        return [Piece(rendered, True)]
    parts = _splitter(codec.typed_by_anybody.pattern).split(rendered)
    return [Piece(part, index % 2 == 0) for index, part in enumerate(parts) if part]


def clean(rendered: str) -> str:
    """The rendered text without marks."""
    return rendered.replace(OPEN, "").replace(CLOSE, "")


def _kept(message: Message, codec: Codec) -> Message:
    own = message.role == "assistant"
    marked = _mark(message, codec.typed_by_assistant if own else codec.typed_by_anybody)
    return codec.marked.setdefault(message, marked)


def _mark(message: Message, control: re.Pattern[str]) -> Message:
    content = control.sub(f"{OPEN}\\g<0>{CLOSE}", clean(message.content))
    role = control.sub(f"{OPEN}\\g<0>{CLOSE}", clean(message.role))
    return message if (role, content) == (message.role, message.content) else replace(
        message, role=role, content=content)


@lru_cache(maxsize=64)
def _splitter(control: str) -> re.Pattern[str]:
    return re.compile(f"{OPEN}({control}){CLOSE}|[{OPEN}{CLOSE}]")
