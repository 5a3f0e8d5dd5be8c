"""The parts of examples that checks tell apart: who says what, what is asked, and what is learnt to be said."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator

from ...records import Conversation, Example, Labelled, Message, Pair, Question, Tagged

ANSWERS = ("assistant", "answer")  # the roles whose texts answer others


def spoken(example: Example) -> Iterator[tuple[str, str]]:
    """Each text of an example with its role, in the order in which a model reads them.

    Roles are those of a conversation's turns, and `tools` for the definitions; of others `prompt` and `answer`,
    `question` and `context`, `text` and `second text`, `words`.
    """
    if isinstance(example, Conversation):
        if example.tools:
            yield "tools", json.dumps(list(example.tools), ensure_ascii=False)
        for turn in example.messages:
            yield turn.role, said(turn)
    elif isinstance(example, Pair):
        yield from (("prompt", example.prompt), ("answer", example.answer))
    elif isinstance(example, Question):
        yield from (("question", example.question), ("context", example.context))
    elif isinstance(example, Tagged):
        yield "words", example.text or " ".join(example.words)
    elif isinstance(example, Labelled):
        yield "text", example.text
        if example.second is not None:
            yield "second text", example.second
    else:
        yield "text", example.text


def said(turn: Message) -> str:
    """All that a turn says: its thoughts, its content, and the calls that it makes."""
    if not (turn.reasoning or turn.calls):
        return turn.content
    calls = (f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in turn.calls)
    return "\n".join(filter(None, (turn.reasoning, turn.content, *calls)))


def answers(example: Example) -> list[tuple[str, str]]:
    """The answers that are learnt as text, each with what was said last before it."""
    if isinstance(example, Pair):
        return [(example.prompt, example.answer)]
    if not isinstance(example, Conversation):
        return []
    turns = example.messages
    return [(turns[place - 1].content if place else "", turn.content) for place, turn in enumerate(turns)
            if turn.role == "assistant" and turn.train and not turn.calls]


def asked(example: Example) -> tuple[str, ...]:
    """What stands before that which is learnt: of a conversation all before its last answer; () where all is learnt."""
    if isinstance(example, Conversation):
        last = max((place for place, turn in enumerate(example.messages) if turn.role == "assistant"), default=0)
        return tuple(f"{turn.role}\0{said(turn)}" for turn in example.messages[:last])
    if isinstance(example, Pair):
        return (example.prompt, example.language)
    if isinstance(example, Question):
        return (example.question, example.context)
    if isinstance(example, Tagged):
        return (" ".join(example.words),)
    if isinstance(example, Labelled):
        return (example.text,) if example.second is None else (example.text, example.second)
    return ()


def learnt(example: Example) -> tuple[str, ...] | None:
    """What is learnt: labels in the order of their names, tags, answers; None where nothing is, or the whole text."""
    if isinstance(example, Conversation):
        last = [turn for turn in example.messages if turn.role == "assistant"]
        return (said(last[-1]),) if last else None
    if isinstance(example, Pair):
        return tuple(sorted({example.answer, *example.references}))
    if isinstance(example, Question):
        return None if example.answers is None else tuple(sorted({answer.text for answer in example.answers}))
    if isinstance(example, Tagged):
        return example.tags
    if isinstance(example, Labelled):
        return None if example.labels is None else tuple(sorted(set(example.labels)))
    return None


def plain(text: str) -> str:
    """The text as copies are told by it: in one case, in one form of Unicode (NFKC), with one blank between words."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold().split())


def mark(texts: Iterable[str]) -> int:
    """64 bits that stand for texts, so that millions of rows can be compared without holding them."""
    told = "\0".join(texts).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")
