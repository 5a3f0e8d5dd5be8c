"""Tokens as a reader sees them: supervised ones marked, blanks and control tokens visible, each with its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .markup import Markup, join, tag, text
from .numbers import many

HEAD, TAIL = 1_200, 400  # tokens of a document that is longer than both together
LONGEST: Final = HEAD + TAIL
BLANKS: Final = {" ": "\u00b7\u200b", "\t": "\u21e5\t", "\n": "\u21b5\n", "\u00a0": "\u237d", "\u3000": "\u25a1",
                 "\u200b": "\\u200b", "\u200c": "\\u200c", "\u200d": "\u200d", "\ufeff": "\\ufeff", "\u00ad": "\\xad"}
# a blank is followed by a place where the line may break
UNSEEN: Final = "\u25ab"  # a token that has no text of its own: part of a character


@dataclass(frozen=True, slots=True)
class Token:
    """One token. weight: with which it is learnt, 0 where it is not; spelt: the vocabulary's own spelling."""

    id: int
    text: str
    weight: float
    control: bool
    spelt: str


def shown(tokens: Sequence[Token]) -> Markup:
    """The tokens one after another as text; of a long document its head and its tail, and how many are between."""
    if len(tokens) <= LONGEST:
        return join(*map(_token, tokens))
    gap = tag("span.gap", f"\u2026 {many(len(tokens) - LONGEST, 'token')} not shown \u2026")
    return join(*map(_token, tokens[:HEAD]), gap, *map(_token, tokens[-TAIL:]))


def legend() -> Markup:
    """What the marks mean."""
    return tag(
        "p.marks", tag("b", "learnt"), " ", tag("i", "read, not learnt"), " ", tag("i.c", "control token"),
        tag("span.aside", f"\u00b7 blank, \u21b5 line feed, \u21e5 tab, {UNSEEN} part of a character"))


def _token(token: Token) -> Markup:
    letters = "".join(_letters(token.text)) or UNSEEN
    weight = None if token.weight in (0, 1) else f"{token.weight:.4g}"
    spelt = token.spelt if not token.text else None
    # written out by hand: a page has tens of thousands of these
    extra = "".join(f' data-{name}="{text(value)}"' for name, value in (("w", weight), ("t", spelt)) if value)
    kind = "b" if token.weight else "i"
    return Markup(f"<{kind}{' class=c' if token.control else ''} data-i={token.id}{extra}>{text(letters)}</{kind}>")


def _letters(value: str) -> Iterator[str]:
    return (BLANKS.get(letter, letter) for letter in value)
