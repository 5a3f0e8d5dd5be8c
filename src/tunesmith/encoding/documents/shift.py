"""Documents from ids and spans: the one place where targets are shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...records import Document

NO_TARGET = -100


def document(
    ids: Sequence[int] | NDArray[np.int64], spans: Iterable[tuple[int, int]], *, text: str,
    ends: Sequence[int] | NDArray[np.int64] | Callable[[], Sequence[int]], example: int = 0,
) -> Document:
    """A document in which the tokens of each span [start, end) are supervised with weight 1.

    The first token of all is never supervised: nothing stands before it that could predict it. ends: where each token
    ends in the text, or what finds that out when asked.
    """
    tokens = np.asarray(ids, np.int64)
    weights = np.zeros(len(tokens), np.float32)
    for start, end in spans:
        weights[max(start - 1, 0) : end - 1] = 1.0
    return Document(
        tokens, targets(tokens), weights, example, text,
        lambda: np.asarray(ends() if callable(ends) else ends, np.int64),
    )


def targets(ids: NDArray[Any]) -> NDArray[Any]:
    """(T,) what each row predicts: the next id; nothing after the last."""
    following = np.empty_like(ids)
    following[:-1] = ids[1:]
    following[-1:] = NO_TARGET
    return following


def spans(made: Document) -> list[tuple[int, int]]:
    """The runs [start, end) of supervised tokens of a document, in order."""
    learnt = np.zeros(len(made) + 2, np.bool_)
    learnt[2:-1] = made.weights[:-1] > 0
    edges = np.flatnonzero(learnt[1:] != learnt[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
