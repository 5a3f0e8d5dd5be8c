"""One answer as it is written: its text in pieces that nothing takes back, cut off before a stop text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..generation.continuous import Told
from ..generation.pieces import Decodes, Pieces

Finish = Literal["", "stop", "length"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an answer; start: the character of the answer at which it begins."""

    index: int
    start: int
    log_probability: float
    likeliest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What came since the last part: text, the tokens that begin in it, and at the end how it ended."""

    text: str
    tokens: Sequence[Token]
    finish: Finish


class Written:
    """An answer so far.

    text: what was told of it; count: the tokens generated, the one that ended it included; log_probability: of all of
    them together.
    """

    def __init__(self, codec: Decodes, stops: Sequence[str]) -> None:
        self.text = ""
        self.count = 0
        self.log_probability = 0.0
        self.ended = False
        self._pieces = Pieces(codec, stops)
        self._held: list[Token] = []

    def take(self, told: Told) -> Part:
        """What can be said now that this token is there."""
        self.count += 1
        self.log_probability += told.log_probability
        text = ""
        if told.stopped_by != "end":
            start = len(self.text) + len(self._pieces.held)
            self._held.append(Token(told.token, start, told.log_probability, told.likeliest))
            text = self._pieces.add(told.token)
        if told.stopped_by:
            text += self._pieces.rest()
        self.text += text
        finish = self._finish(told)
        self.ended = bool(finish)
        whole = finish and self._pieces.stopped is None
        begun = [token for token in self._held if whole or token.start < len(self.text)]
        self._held = self._held[len(begun) :]
        return Part(text, begun, finish)

    def _finish(self, told: Told) -> Finish:
        if self._pieces.stopped is not None or told.stopped_by == "end":
            return "stop"
        return told.stopped_by or ""
