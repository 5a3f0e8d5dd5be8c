"""Documents from ids and spans: the one place where targets are shifted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..records import Document

NO_TARGET = -100


def document(
    ids: Sequence[int], spans: Iterable[tuple[int, int]], *, text: str, ends: Sequence[int], example: int = 0
) -> Document:
    """A document in which the tokens of each span [start, end) are supervised with weight 1.

    The first token of all is never supervised: nothing stands before it that could predict it.
    """
    tokens = np.asarray(ids, np.int64)
    targets = np.append(tokens[1:], NO_TARGET).astype(np.int64)[: len(tokens)]
    weights = np.zeros(len(tokens), np.float32)
    for start, end in spans:
        weights[max(start - 1, 0) : end - 1] = 1.0
    return Document(tokens, targets, weights, example, text, np.asarray(ends, np.int64))


def spans(made: Document) -> list[tuple[int, int]]:
    """The runs [start, end) of supervised tokens of a document, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], made.supervised, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
