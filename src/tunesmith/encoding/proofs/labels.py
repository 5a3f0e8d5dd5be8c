"""The proof of labelled texts: each document is read back by other means than it was made with.

Encoding has the tokenizer frame a text, or two. Here each text is encoded by itself, without any frame, and a frame is
taken from empty texts; the one must stand in the other. What is learnt is turned into names again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...records import SEGMENT, Document, Example, Finding, Head, Labelled
from ..documents.labels import LEARNT, SHOWN
from ..tokens.codec import Codec

REPORT = "report this with the row: the run is refused so that nothing wrong is learnt"
FEW = 2
SAID = {
    "single": "one class a row, of {many}", "multi": "several labels a row, of {many}",
    "regression": "one number a row, learnt as a number",
}


class Proof:
    """Proves labelled examples one after another."""

    def __init__(self, codec: Codec, head: Head) -> None:
        self._codec, self._head = codec, head
        self._alone, self._paired = (codec.frames.texts([text])[0].ids.tolist() for text in ("", ("", "")))

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error where a document is not the row's text, or what it learns not the row's label."""
        assert isinstance(example, Labelled)
        wrong = next(self._wrong(made, example), None)
        return [Finding("error", "labels.wrong", wrong, example.where, REPORT)] if wrong else []

    def notes(self) -> list[Finding]:
        """What the labels are taken for, and classes of which next to nothing can be learnt."""
        head = self._head
        if not head.problem:  # the training rows were refused
            return []
        said = SAID[head.problem].format(many=f"{len(head.labels)} that the training rows know")
        found = [Finding("note", "labels.kind", f"the labels are read as `{head.problem}`: {said}", "task.kind",
                         "say in `task: {type: classify, kind: …}` if they are meant otherwise")]
        few = [f"`{name}`" for name, count in zip(head.labels, head.counts, strict=True) if count < FEW]
        if few:
            more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
            found.append(Finding("warning", "labels.few_rows", f"{len(few)} of {len(head.labels)} labels stand in one "
                                 f"training row only: {', '.join(few[:SHOWN])}{more}", "data.train",
                                 "give more rows of each, or put rare labels together"))
        return found

    def _wrong(self, made: Sequence[Document], row: Labelled) -> Iterator[str]:
        if len(made) != 1:
            yield f"{len(made)} documents were made of one text"
            return
        [document] = made
        if np.flatnonzero(document.weights).tolist() != [0]:
            yield "what is learnt does not stand in the document's first row"
        if not self._spells(document, row):
            yield "the document's tokens are not those of the row's text"
        said, wanted = self._names(document), self._wanted(row)
        if said != wanted:
            yield f"the row is labelled {_told(wanted)}, and {_told(said)} would be learnt"

    def _spells(self, document: Document, row: Labelled) -> bool:
        """Whether the row's texts, each encoded by itself, stand in the frame, each with tokens of one type."""
        texts = [self._codec.encode(text).ids for text in (row.text, row.second) if text is not None]
        frame = self._alone if row.second is None else self._paired
        ids, segments = document.ids.tolist(), document.token_columns[SEGMENT].tolist()
        for before in range(len(frame) + 1):
            for between in range(len(frame) + 1 - before) if len(texts) == 2 else [0]:
                parts = [frame[:before], texts[0], frame[before : before + between], *texts[1:],
                         frame[before + between :]]
                if ids == [token for part in parts for token in part]:
                    start = before + len(texts[0])
                    first, second = segments[before:start], segments[start + between : start + between
                                                                    + sum(map(len, texts[1:]))]
                    return len(set(first)) <= 1 and len(set(second)) <= 1 and max(first, default=0) <= min(
                        second, default=1)
        return False

    def _names(self, document: Document) -> frozenset[str] | float:
        column = document.document_columns[LEARNT]
        if self._head.problem == "regression":
            return float(column)
        places = [int(column)] if column.ndim == 0 else np.flatnonzero(column).tolist()
        return frozenset(self._head.labels[place] for place in places)

    def _wanted(self, row: Labelled) -> frozenset[str] | float:
        labels = row.labels or ()
        return float(np.float32(labels[0])) if self._head.problem == "regression" else frozenset(labels)


def proof(codec: Codec, head: Head, settings: Any) -> Proof:
    """The proof of a task with labels."""
    return Proof(codec, head)


def _told(value: frozenset[str] | float) -> str:
    if isinstance(value, float):
        return str(value)
    return ", ".join(f"`{name}`" for name in sorted(value)) or "nothing"
