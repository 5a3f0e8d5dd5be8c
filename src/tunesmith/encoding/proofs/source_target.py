"""The proof of sources and targets: both are read back from their ids, and held against the row.

A document is made by framing texts; here its ids are decoded, and its frame is known by the control tokens in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...records import OF_TARGET, Document, Example, Finding, Head, Pair
from ..documents.source_target import SOURCE, TARGET
from ..tokens.codec import Codec

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"
LEARN_PIECES = "write them otherwise, or use a base whose tokenizer has them"
NAMES = {SOURCE: "source", TARGET: "answer"}


class Proof:
    """Proves pairs one after another, and remembers what many of them share."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._control = set(codec.control.values()) | codec.stop
        self._unknown: dict[int, tuple[str, str, int]] = {}  # of each part: a character, the first row, how many rows
        self._rewrote: tuple[str, int] = ("", 0)

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """Every violation in the document of a pair, as an error at its row."""
        assert isinstance(example, Pair)
        return list(self._violations(made, example))

    def notes(self) -> list[Finding]:
        """What the tokenizer changed in the rows so far."""
        found = [
            Finding("warning" if part == TARGET else "note", "tokenizer.unknown",
                    f"{rows} {NAMES[part]}s hold characters that the tokenizer has no piece for, `{character}` first"
                    + (": the model cannot write them" if part == TARGET else ""), where, LEARN_PIECES)
            for part, (character, where, rows) in sorted(self._unknown.items(), reverse=True)
        ]
        where, rows = self._rewrote
        return found + ([Finding("note", "tokenizer.rewrote", "the tokenizer does not spell the text exactly: blanks or"
                                 f" characters change (texts: {rows})", where)] if rows else [])

    def _violations(self, made: Sequence[Document], example: Pair) -> Iterator[Finding]:
        where = example.where
        if len(made) != 1 or not np.array_equal(made[0].weights > 0, made[0].token_columns[OF_TARGET] == TARGET):
            yield Finding("error", "mask.turns", "not the answer alone is supervised", where, REPORT)
            return
        document, part = made[0], made[0].token_columns[OF_TARGET]
        if not np.array_equal(document.targets[part == TARGET], document.ids[part == TARGET]):
            yield Finding("error", "mask.answer", "what is learnt is not the answer", where, REPORT)
        source, target = (document.ids[part == each].tolist() for each in (SOURCE, TARGET))
        yield from self._prove_text(source, SOURCE, example.prompt, where)
        yield from self._prove_text(target, TARGET, example.answer, where)
        closing = target[self._framed(target)[1] :]
        if not closing or closing[0] not in self._codec.stop:
            yield Finding("error", "mask.end", "the answer does not end with a token that generation stops on", where,
                          "use a base whose tokenizer closes a text with its EOS")

    def _prove_text(self, ids: list[int], part: int, text: str, where: str) -> Iterator[Finding]:
        """That the ids spell the text, or end with it: a task may put words before a source."""
        start, end = self._framed(ids)
        inner = ids[start:end]
        if not inner and part == TARGET:
            yield Finding("error", "row.unsupervised", "the answer has no token, so nothing is learnt from it", where,
                          "give it an answer, or remove it")
            return
        control = self._control.intersection(inner) - {self._codec.unknown}
        if control:
            yield Finding("error", "mask.typed_control", f"{self._codec.token(min(control))!r} in the {NAMES[part]} "
                          "became a control token", where, "remove it from the text")
        unknown = self._codec.unknown in inner
        if unknown:
            self._note_unknown(text, part, where)
        spelt = self._codec.decode(inner)
        if spelt == text or (part == SOURCE and spelt.endswith(text)):
            return
        again = "".join(self._codec.decode(self._codec.encode(text).ids).split())
        plain = "".join(spelt.split())
        if plain == again or (part == SOURCE and plain.endswith(again)):
            if not unknown:
                self._rewrote = (self._rewrote[0] or where, self._rewrote[1] + 1)
            return
        yield Finding("error", "mask.answer", f"the tokens of the {NAMES[part]} spell {spelt[-80:]!r}, which is not "
                      "what stands in the row", where, REPORT)

    def _framed(self, ids: list[int]) -> tuple[int, int]:
        """Where the text begins in a framed one, and where it ends."""
        framing = [index in self._control and index != self._codec.unknown for index in ids]
        start = next((place for place, own in enumerate(framing) if not own), len(ids))
        end = next((len(ids) - place for place, own in enumerate(reversed(framing)) if not own), 0)
        return (start, end) if start < end else (0, 0)

    def _note_unknown(self, text: str, part: int, where: str) -> None:
        character, first, rows = self._unknown.get(part, ("", where, 0))
        if not rows:
            character = next((each for each in text if self._codec.unknown in self._codec.encode(each).ids), "?")
        self._unknown[part] = character, first, rows + 1


def proof(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of a task with sources and targets."""
    return Proof(codec)
