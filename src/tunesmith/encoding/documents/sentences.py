"""Texts that are to become one vector each, as documents, and the proof that each is all there.

A row of a document has a weight where its state counts for the vector: every row, the first or the last.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from ...records import SEGMENT, Document, Example, Finding, Head, Labelled, Pair, Text
from ..tokens.codec import Codec
from ..tokens.framing import Framed
from .shift import NO_TARGET

TEXT: Final = "text"  # a number that equal texts share
SCORE: Final = "score"  # what the pair was given, no number where it was given nothing
POOLINGS: Final = ("mean", "cls", "last")
REPORT: Final = "report this with the row: the run is refused so that nothing wrong is learnt"


def documents(
    texts: Sequence[str], codec: Codec, pooling: str, scores: Sequence[float] | None = None
) -> list[Document]:
    """Of each text a document between the tokenizer's own marks. pooling: one of `POOLINGS`."""
    given = scores or [float("nan")] * len(texts)
    return [_document(text, framed, pooling, score)
            for text, framed, score in zip(texts, codec.frames.texts(list(texts)), given, strict=True)]


def _document(text: str, framed: Framed, pooling: str, score: float) -> Document:
    rows = len(framed)
    weights = np.full(rows, float(pooling == "mean"), np.float32)
    if pooling != "mean" and rows:
        weights[0 if pooling == "cls" else -1] = 1.0
    ends = np.maximum.accumulate(framed.spans[:, 1])
    return Document(
        framed.ids, np.full(rows, NO_TARGET, np.int64), weights, 0, text, lambda: ends,
        token_columns={SEGMENT: framed.segments},
        document_columns={TEXT: np.asarray(number(text)), SCORE: np.asarray(score, np.float32)}, both_ways=True)


def number(text: str) -> np.int64:
    """63 bits that equal texts share, and others do not."""
    return np.int64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1)


def texts_of(example: Example) -> tuple[str, ...]:
    """The texts of an example that are there: two of a pair, one where the other is only to be predicted."""
    if isinstance(example, Pair):
        return (example.prompt, example.answer) if example.answer else (example.prompt,)
    if isinstance(example, Text):
        return (example.text,)
    if isinstance(example, Labelled):
        return (example.text,) if example.second is None else (example.text, example.second)
    raise TypeError(f"a {type(example).__name__} is no text and no pair of texts")


def score_of(example: Example) -> float | None:
    """What a pair was given; None where it was given nothing. Raises ValueError for what is no finite number."""
    if not isinstance(example, Labelled) or example.labels is None:
        return None
    [label] = example.labels
    score = float(label)
    if not np.isfinite(score):
        raise ValueError(label)
    return score


class Proof:
    """Reads the documents of pairs back, by their ids alone, and counts what the tokenizer leaves out."""

    def __init__(self, codec: Codec, head: Head, settings: Any) -> None:
        self._codec = codec
        [framed] = codec.frames.texts(["a"])
        own = np.flatnonzero(framed.text_of == 0)
        self._marks = framed.ids[: own[0]].tolist(), framed.ids[own[-1] + 1 :].tolist()
        self._control = frozenset(codec.control.values())
        self._left_out: list[tuple[str, str]] = []

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error for a text that is not there, or not there whole."""
        texts = texts_of(example)
        if len(made) != len(texts):
            return [_fault(f"{len(texts)} texts became {len(made)} documents", example)]
        return [finding for document, text in zip(made, texts, strict=True)
                for finding in self._faults(document, text, example)]

    def notes(self) -> list[Finding]:
        """One note on all texts of which the tokenizer knows a part only."""
        if not self._left_out:
            return []
        shown, where = self._left_out[0]
        return [Finding("note", "tokenizer.left_out", f"{len(self._left_out)} texts hold characters that the tokenizer"
                        f" does not know or leaves out, such as {shown!r}: they are not learnt", where,
                        "clean the texts, or use a base that knows their language")]

    def _faults(self, document: Document, text: str, example: Example) -> Iterator[Finding]:
        ids, (before, after) = document.ids.tolist(), self._marks
        inner = ids[len(before) : len(ids) - len(after)]
        if ids != [*before, *inner, *after]:
            yield _fault("a text does not stand between the tokenizer's own marks", example)
        if not inner:
            yield Finding("error", "row.no_text", f"the tokenizer leaves nothing of the text {text[:40]!r}",
                          example.where, "correct the row, or leave it out")
        plain = self._codec.encode(text).ids
        if typed := (self._control & set(inner)) - set(plain):
            yield Finding("error", "mask.typed_control", f"{self._codec.token(min(typed))!r} in the text became a"
                          " control token", example.where, "remove it from the text")
        elif inner != plain and _squeezed(self._codec.decode(inner)) != _squeezed(self._codec.decode(plain)):
            yield _fault(f"the text {text[:40]!r} would be learnt as {self._codec.decode(inner)[:40]!r}", example)
        if document.document_columns[TEXT] != number(text):
            yield _fault("a text would be taken for another one", example)
        score, kept = score_of(example), float(document.document_columns[SCORE])
        if np.isnan(kept) if score is not None else not np.isnan(kept):
            yield _fault("the score of the pair is not there, or one that it has not", example)
        elif score is not None and kept != np.float32(score):
            yield _fault(f"the pair has the score {score:g}, and {kept:g} would be learnt", example)
        if np.count_nonzero(document.weights > 0) not in (1, len(ids)):
            yield _fault("the vector would be made of a part of the text", example)
        known = Counter(_folded(self._codec.decode([each for each in inner if each not in self._control])))
        if left_out := Counter(_folded(text)) - known:
            self._left_out.append((next(iter(left_out)), example.where))


def _fault(what: str, example: Example) -> Finding:
    return Finding("error", "row.misread", what, example.where, REPORT)


def _squeezed(text: str) -> str:
    """Without white space."""
    return "".join(text.split())


def _folded(text: str) -> str:
    """Without what tokenizers may change of a text that is whole: case, accents, white space and control characters."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in apart if unicodedata.category(each)[0] not in "ZCM")
