"""What rows are understood as: the kinds of examples, as `records` hands them on. Frozen, and nothing imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it stood in a file; `where` is `file:line`, the line counted from 1."""

    values: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that an assistant calls, with the arguments; `id` is what the tool's answer refers to."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `train: false` on an assistant's turn keeps it out of the loss.

    reasoning: what an assistant thought before its answer, where it stands apart from the content; calls: the tools
    that it calls; name, call: of a tool's answer, the tool and the id of the call.
    """

    role: str
    content: str
    train: bool = True
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    name: str = ""
    call: str = ""

    def __hash__(self) -> int:
        return hash(self.content)  # a text keeps its hash: beginnings of conversations are looked up turn by turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns between a system, users, an assistant and tools; `tools` are the definitions of those it may call."""

    messages: tuple[Message, ...]
    where: str
    group: str
    source: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the text that should follow it.

    references: all right answers where there are several, `answer` the first of them; language: the one that the answer
    is written in, where the row names it.
    """

    prompt: str
    answer: str
    where: str
    group: str
    source: str = ""
    references: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, all of which is learnt."""

    text: str
    where: str
    group: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, or two, and what they are: one label, several, none, or a number written as one.

    labels: as they stand in the file; None where the row has none and is only to be predicted. second: the other text
    of a pair.
    """

    text: str
    labels: tuple[str, ...] | None
    where: str
    group: str
    source: str = ""
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """Words, each with a tag (`O`, `B-PER`, …); tags are None where they are only to be predicted.

    text, starts: what the words were cut from, and the character of it at which each begins; empty where the row came
    as words.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    where: str
    group: str
    source: str = ""
    text: str = ""
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of a context, and the character at which it begins there."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a context, and its answers there: () where it has none, None where they are to be predicted."""

    question: str
    context: str
    answers: tuple[Answer, ...] | None
    where: str
    group: str
    source: str = ""
    id: str = ""


Example = Conversation | Pair | Text | Labelled | Tagged | Question


@dataclass(frozen=True, slots=True)
class Alike:
    """A row that is nearly the same as another; share: the Jaccard index of their shingles, 0 to 1."""

    one: Example
    other: Example
    share: float
