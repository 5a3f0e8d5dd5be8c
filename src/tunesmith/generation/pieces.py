"""From tokens that come one by one to pieces of text: none ends inside a character, none holds a stop text.

A stop text ends an answer and is no part of it; what could still become one is held back until it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

# An answer is decoded from a place so many tokens back, moved on when it is as many more: not all of it at each token.
# A decoder looks at its neighbours at most, to join or to tidy.
BACK, FURTHER = 16, 64
UNFINISHED = "\ufffd"  # what a character decodes to whose bytes are not all there


class Decodes(Protocol):
    """What is needed of a codec."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids."""


class Pieces:
    """The text of one answer, piece by piece; the pieces and the rest, joined, are what its ids decode to.

    stopped: the stop text that was met; nothing from it on is told.
    """

    def __init__(self, codec: Decodes, stops: Sequence[str] = ()) -> None:
        self._codec = codec
        self._stops = tuple(stop for stop in stops if stop)
        self._ids: list[int] = []
        self._first = 0  # token from which is decoded
        self._whole = 0  # tokens up to which the text ended with a whole character, some while ago
        self._decoded = 0  # characters from `_first` on that are done with
        self._held = ""
        self.stopped: str | None = None

    @property
    def held(self) -> str:
        """Whole characters that have come and could still become a stop text."""
        return self._held

    def add(self, *tokens: int) -> str:
        """What can be told now that these tokens have come; often nothing."""
        if self.stopped is not None:
            return ""
        self._ids += tokens
        text = self._codec.decode(self._ids[self._first :])
        if text.endswith(UNFINISHED) or len(text) <= self._decoded:
            return ""
        fresh, self._decoded = text[self._decoded :], len(text)
        self._move_on()
        return self._released(fresh)

    def rest(self) -> str:
        """What was held back, at the end of an answer: also a character that was cut."""
        if self.stopped is not None:
            return ""
        text = self._codec.decode(self._ids[self._first :])
        told = self._released(text[self._decoded :])
        self._decoded = len(text)
        held, self._held = self._held, ""
        return told + held

    def _released(self, fresh: str) -> str:
        """Of what is held, with the fresh text behind it, all that cannot be the beginning of a stop text."""
        self._held += fresh
        met = min(((self._held.index(stop), stop) for stop in self._stops if stop in self._held), default=None)
        if met is not None:
            told, self.stopped, self._held = self._held[: met[0]], met[1], ""
            return told
        kept = max((_beginning(self._held, stop) for stop in self._stops), default=0)
        told, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return told

    def _move_on(self) -> None:
        """Decode from further on, from a place where a character begins."""
        if self._whole <= self._first and len(self._ids) >= self._first + FURTHER:
            self._whole = len(self._ids)
        if self._whole > self._first and len(self._ids) >= self._whole + BACK:
            self._first = self._whole
            self._decoded = len(self._codec.decode(self._ids[self._first :]))


def _beginning(text: str, stop: str) -> int:
    """How many characters at the end of a text are the beginning of a stop text."""
    return next((count for count in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:count])), 0)
