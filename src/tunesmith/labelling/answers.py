"""What a person may answer for a row, as it is typed: a label, several, a number, a text, a part of a context."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..catalog import nearest
from ..reading.quoting import listed, quoted
from ..records import Conversation, Example, Labelled, Pair, Question
from .items import Item, asked_turns

AS_IT_IS: Final = "="  # before an answer: what follows is the answer, be it called like a key
NONE: Final = "-"
LIKELIEST: Final = 5
FEW: Final = 12  # labels that are listed with every row


class Unclear(Exception):
    """Why what was typed is no answer."""


class Kind(Protocol):
    """One kind of answer: how it is asked for, read and written."""

    @property
    def format(self) -> str:
        """The format that reads what is written."""

    @property
    def keys(self) -> str:
        """What may be typed, in a line."""

    def choices(self, item: Item) -> list[str]:
        """Lines that list what can be chosen; empty where anything may be typed."""

    def every(self) -> list[str]:
        """Lines that list all that can be chosen, whatever the row."""

    def told(self, answer: Any, item: Item) -> str:
        """An answer for a person."""

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The answer that was typed, and whether it is the last word on this row. Raises Unclear.

        working: what the row's answer would be so far, None where there is none.
        """

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """The row under the names that the format knows, the answer's column last."""


@dataclass(frozen=True)
class Choice:
    """One label of several."""

    labels: tuple[str, ...]
    format: str = "labelled"
    keys: str = "a label's number, or its first letters"

    def choices(self, item: Item) -> list[str]:
        """The labels with their numbers; of many the likeliest."""
        return choices(self.labels, item)

    def every(self) -> list[str]:
        """Every label, one a line."""
        return every(self.labels)

    def told(self, answer: Any, item: Item) -> str:
        """The label."""
        return str(answer)

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The label that is meant."""
        return chosen(words, self.labels), True

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Text and label."""
        return {**_texts(example), "label": answer}


@dataclass(frozen=True)
class Several:
    """Any number of labels, or none."""

    labels: tuple[str, ...]
    format: str = "labelled"
    keys: str = f"the labels' numbers or first letters, with commas between them; {NONE} for none"

    def choices(self, item: Item) -> list[str]:
        """The labels with their numbers; of many the likeliest."""
        return choices(self.labels, item)

    def every(self) -> list[str]:
        """Every label, one a line."""
        return every(self.labels)

    def told(self, answer: Any, item: Item) -> str:
        """The labels one after another."""
        return ", ".join(answer) or "none of them"

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The labels that are meant, in the order of all labels."""
        if words == NONE:
            return [], True
        literal = AS_IT_IS if words.startswith(AS_IT_IS) else ""
        parts = re.split(r"\s*,\s*" if "," in words or literal else r"\s+", words.removeprefix(literal))
        meant = {chosen(literal + part, self.labels) for part in parts if part}
        return [label for label in self.labels if label in meant], True

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Text and labels."""
        return {**_texts(example), "labels": list(answer)}


@dataclass(frozen=True)
class Number:
    """A number."""

    format: str = "labelled"
    keys: str = "a number"

    def choices(self, item: Item) -> list[str]:
        """None: any number will do."""
        return []

    def every(self) -> list[str]:
        """Nothing is listed."""
        return []

    def told(self, answer: Any, item: Item) -> str:
        """The number, short."""
        return f"{answer:.4g}"

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The number that was typed."""
        try:
            value = float(words.removeprefix(AS_IT_IS))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise Unclear(f"{quoted(words)} is no number")
        return int(value) if value.is_integer() else value, True

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Text and number."""
        return {**_texts(example), "label": answer}


@dataclass(frozen=True)
class Written:
    """A text that answers a prompt or a conversation."""

    talk: bool
    keys: str = r"the right answer (\n begins a new line)"

    @property
    def format(self) -> str:
        """Turns, or a prompt with its answer."""
        return "messages" if self.talk else "pair"

    def choices(self, item: Item) -> list[str]:
        """None: any text will do."""
        return []

    def every(self) -> list[str]:
        """Nothing is listed."""
        return []

    def told(self, answer: Any, item: Item) -> str:
        """The text."""
        return str(answer)

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The text that was typed."""
        text = words.removeprefix(AS_IT_IS).replace("\\n", "\n")
        if not text.strip():
            raise Unclear("an answer must say something")
        return text, True

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Prompt and answer, or the turns with the answer as the last."""
        if isinstance(example, Conversation):
            before = [{"role": turn.role, "content": turn.content} for turn in example.messages[: asked_turns(example)]]
            return {"messages": [*before, {"role": "assistant", "content": answer}]}
        assert isinstance(example, Pair)
        return {"prompt": example.prompt, "answer": answer}


@dataclass(frozen=True)
class Part:
    """A part of the context, or none where the question has no answer there."""

    format: str = "squad"
    keys: str = f"the answer as it stands in the context; {NONE} where there is none"

    def choices(self, item: Item) -> list[str]:
        """None: it stands in the context."""
        return []

    def every(self) -> list[str]:
        """Nothing is listed."""
        return []

    def told(self, answer: Any, item: Item) -> str:
        """The words."""
        return answer or "no answer"

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The words that were typed, which must stand in the context."""
        assert isinstance(item.example, Question)
        text = "" if words == NONE else words.removeprefix(AS_IT_IS)
        if text not in item.example.context:
            raise Unclear(f"{quoted(text)} does not stand in the context: type it letter for letter")
        return text, True

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Question, context, and the answer where it first stands there."""
        assert isinstance(example, Question)
        found = {"text": [answer], "answer_start": [example.context.index(answer)]} if answer else {
            "text": [], "answer_start": []}
        return {"question": example.question, "context": example.context, "answers": found}


def every(labels: Sequence[str]) -> list[str]:
    """Every label with its number, one a line."""
    mark = _mark(labels)
    return [f"{mark}{number} {label}" for number, label in enumerate(labels, 1)]


def _mark(labels: Sequence[str]) -> str:
    """What stands before a number that counts labels, where labels are numbers themselves."""
    return "#" if any(label.isdecimal() for label in labels) else ""


def choices(labels: Sequence[str], item: Item) -> list[str]:
    """The labels with their numbers in one line; of more than twelve the five likeliest."""
    scores = item.offered.scores if item.offered is not None else {}
    mark = _mark(labels)
    numbers = {label: number for number, label in enumerate(labels, 1)}
    named = list(labels)
    if len(labels) > FEW:
        named = sorted(labels, key=lambda label: -scores.get(label, 0.0))[:LIKELIEST] if scores else named[:LIKELIEST]
    told = "   ".join(f"{mark}{numbers[label]} {label}" for label in named)
    more = f"   and {len(labels) - len(named)} more: ? lists them" if len(named) < len(labels) else ""
    return [told + more]


def chosen(words: str, labels: Sequence[str]) -> str:
    """The label that is meant: by its name, its number, or letters that only its name begins with. Raises Unclear.

    Where labels are numbers themselves, a number is a label, and `#2` the second of them.
    """
    literal, word = words.startswith(AS_IT_IS), words.removeprefix(AS_IT_IS).strip()
    exact = [label for label in labels if label == word] or [
        label for label in labels if label.casefold() == word.casefold()]
    if len(exact) == 1:
        return exact[0]
    if literal:
        raise Unclear(f"no label is called {quoted(word)}{_near(word, labels)}")
    number = re.fullmatch(r"#(\d+)" if _mark(labels) else r"#?(\d+)", word)
    if number:
        place = int(number[1])
        if not 1 <= place <= len(labels):
            raise Unclear(f"there is no label {place}: they are numbered 1 to {len(labels)}")
        return labels[place - 1]
    begun = [label for label in labels if word and label.casefold().startswith(word.casefold())]
    if len(begun) > 1:
        raise Unclear(f"{quoted(word)} could be {listed(begun, 6)}: type more of it")
    if not begun:
        raise Unclear(f"no label begins with {quoted(word)}{_near(word, labels)}")
    return begun[0]


def _near(word: str, labels: Sequence[str]) -> str:
    near = nearest(word, labels)
    return f"; the nearest is {quoted(near)}" if near else ""


def _texts(example: Example) -> dict[str, Any]:
    assert isinstance(example, Labelled)
    return {"text": example.text, **({} if example.second is None else {"second": example.second})}
