"""The texts of an example that a model is only given, and the example with others in their place.

What a model learns to say (an answer, tags, labels) is never among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ...records import Conversation, Example, Labelled, Pair, Question, Tagged

CHUNKS = re.compile(r"\S+")
DOTTED = frozenset("əƏğĞıİ")  # letters of Turkish and Azerbaijani, in which I is not the capital of i
MANY = 1000


def given(example: Example) -> list[str]:
    """A labelled text, or both; of a pair the prompt; of a conversation what users say; of a question itself."""
    if isinstance(example, Labelled):
        return [example.text] if example.second is None else [example.text, example.second]
    if isinstance(example, Pair):
        return [example.prompt]
    if isinstance(example, Conversation):
        return [turn.content for turn in example.messages if turn.role == "user"]
    if isinstance(example, Question):
        return [example.question]
    return list(example.words) if isinstance(example, Tagged) else []


def with_given(example: Example, texts: Sequence[str]) -> Example:
    """The example with other texts where `given` found some: as many, in their order."""
    if isinstance(example, Labelled):
        return replace(example, text=texts[0], second=texts[1] if example.second is not None else None)
    if isinstance(example, Pair):
        return replace(example, prompt=texts[0])
    if isinstance(example, Conversation):
        left = iter(texts)
        turns = tuple(replace(turn, content=next(left)) if turn.role == "user" else turn for turn in example.messages)
        return replace(example, messages=turns)
    if isinstance(example, Question):
        return replace(example, question=texts[0])
    assert isinstance(example, Tagged)
    return of_words(example, texts, example.tags or (), gaps(example))


def in_chunks(text: str, rewrite: Callable[[str], str]) -> str:
    """The text with each run of characters between white space rewritten."""
    return CHUNKS.sub(lambda found: rewrite(found[0]), text)


def gaps(example: Tagged) -> list[str]:
    """What stands before each word, and after the last: where the row came as words, one blank between them."""
    if not example.text:
        return ["", *[" "] * (len(example.words) - 1), ""]
    ends = [0, *(start + len(word) for start, word in zip(example.starts, example.words, strict=True))]
    return [example.text[end:start] for end, start in zip(ends, (*example.starts, None), strict=True)]


def of_words(example: Tagged, words: Sequence[str], tags: Sequence[str], gaps: Sequence[str]) -> Tagged:
    """The row with these words and tags; its text and where words begin there are made anew, where it has them."""
    made = replace(example, words=tuple(words), tags=tuple(tags))
    if not example.text:
        return made
    text, starts = "", []
    for gap, word in zip(gaps, words, strict=False):
        starts.append(len(text) + len(gap))
        text += gap + word
    return replace(made, text=text + gaps[-1], starts=tuple(starts))


def dotted(examples: Iterable[Example]) -> bool:
    """Whether the first thousand rows are written as Turkish and Azerbaijani are: i and ı are two letters."""
    return any(not DOTTED.isdisjoint(text) for _, example in zip(range(MANY), examples, strict=False)
               for text in given(example))
