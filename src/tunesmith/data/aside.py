"""Rows that are measured and must not be learnt: which are drawn, and which of others are the same ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from ..records import Example
from .fields import normalised
from .texts import texts


def drawn(examples: Sequence[Example], most: int, *, seed: int) -> tuple[Example, ...]:
    """At most so many rows, in their order, drawn as whole groups: the same ones by the same seed.

    A group is drawn by a hash of its own text, so that most stay drawn whatever rows come or go.
    """
    sizes = Counter(example.group for example in examples)
    kept: set[str] = set()
    rows = 0
    for group in sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}\0aside\0{group}".encode()).digest()):
        if rows + sizes[group] <= most or not kept:
            kept.add(group)
            rows += sizes[group]
        if rows >= most:
            break
    return tuple(example for example in examples if example.group in kept)[:most]


def marks(examples: Iterable[Example]) -> set[tuple[str, str]]:
    """By what rows are recognised in another file: their groups, and their text without a system prompt."""
    return {mark for example in examples for mark in _marks(example)}


def known(example: Example, marked: set[tuple[str, str]]) -> bool:
    """Whether a row, or one of its group, is among those that were marked."""
    return any(mark in marked for mark in _marks(example))


def _marks(example: Example) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("group", example.group), ("text", _text(example))


def _text(example: Example) -> str:
    """All that a row says; a pair says what a conversation of its two turns says."""
    return "\0".join(map(normalised, texts(example)))
