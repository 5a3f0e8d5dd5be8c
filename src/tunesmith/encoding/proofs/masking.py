"""The proof of hidden words: what is asked for stands in the row, and nothing else is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...records import Document, Example, Finding, Head, Text
from ..documents.masking import FRAME, PART
from ..tokens.codec import Codec

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"


class Proof:
    """Proves texts one after another."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        [framed] = codec.frames.texts(["a"])
        inside = np.flatnonzero(framed.text_of >= 0)
        self._before, self._after = int(inside[0]), len(framed) - 1 - int(inside[-1])

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error for each thing in which the documents are not what they should be."""
        assert isinstance(example, Text)
        return [Finding("error", "row.masks", what, example.where, REPORT) for what in self._wrong(made, example.text)]

    def notes(self) -> list[Finding]:
        """Nothing that rows share."""
        return []

    def _wrong(self, made: Sequence[Document], text: str) -> Iterator[str]:
        body = [index for document in made
                for index in document.targets[self._before : len(document) - self._after].tolist()]
        if body != self._codec.encode(text).ids:
            yield "the documents' tokens are not those of the row's text"
        for document in made:
            asked = document.weights > 0
            if (document.ids[~asked] != document.targets[~asked]).any():
                yield "a token is hidden that is not learnt"
            if (document.token_columns[PART][asked] == FRAME).any():
                yield "a token is learnt that is none of the text's"
        if not any(document.weights.any() for document in made):
            yield "no token of this row is hidden, so nothing is learnt from it"


def proof(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of the task `masked`."""
    return Proof(codec)
