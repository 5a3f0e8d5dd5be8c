"""Documents of a side as a few flat arrays, which can be memory-mapped: a document is cut out when it is asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ...records import Document
from ...scratch import Growing
from ..documents import shift

Array = NDArray[Any]
PER_DOCUMENT, PER_TOKEN = "document/", "token/"


@dataclass(frozen=True)
class Flat(Sequence[Document]):
    """Documents without text, in their order. Letters: T all tokens, D documents.

    arrays: `ids` (T,) int32; `borders` (D + 1,) int64, where documents begin and the last ends; `examples` (D,) int64;
    `weights` (T,), uint8 where all are 0 or 1, else float32; `targets` (T,) int32 only where some are not the next id;
    `both_ways` (D,) uint8 only where some are read so; the documents' columns as `token/NAME` (T, …) and
    `document/NAME` (D, …).
    """

    arrays: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.arrays["examples"])

    @overload
    def __getitem__(self, place: int) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Document]: ...
    def __getitem__(self, place: int | slice) -> Document | Sequence[Document]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        arrays, at = self.arrays, range(len(self))[place]
        start, end = arrays["borders"][at : at + 2].tolist()
        ids = arrays["ids"][start:end].astype(np.int64)
        targets = arrays["targets"][start:end].astype(np.int64) if "targets" in arrays else shift.targets(ids)
        return Document(
            ids, targets, arrays["weights"][start:end].astype(np.float32), int(arrays["examples"][at]),
            token_columns={name: column[start:end] for name, column in self._columns(PER_TOKEN)},
            document_columns={name: column[at] for name, column in self._columns(PER_DOCUMENT)},
            both_ways=bool(arrays["both_ways"][at]) if "both_ways" in arrays else False,
        )

    def _columns(self, prefix: str) -> Iterator[tuple[str, Array]]:
        return ((name.removeprefix(prefix), array) for name, array in self.arrays.items() if name.startswith(prefix))


class Flattening:
    """Documents, taken in one after another; beyond some hundred megabytes they lie in a file of the cache."""

    def __init__(self) -> None:
        self._ids, self._targets, self._whole = Growing(np.int32), Growing(np.int32), Growing(np.uint8)
        self._weights: Growing | None = None
        self._lengths, self._examples, self._both_ways = array("q"), array("q"), array("B")
        self._columns: dict[str, Growing] = {}
        self._tokens = 0
        self._aimed = False

    def take(self, documents: Sequence[Document], example: int) -> None:
        """Add all documents of an example; `example` is its index in its side. Columns that it lacks are zeros."""
        for document in documents:
            ids, targets, weights = document.ids, document.targets, document.weights
            self._aimed |= bool(targets[-1:] != shift.NO_TARGET or (targets[:-1] != ids[1:]).any())
            self._ids.append(ids)
            self._targets.append(targets)
            self._weigh(weights)
            self._fill(PER_TOKEN, document.token_columns, self._tokens, len(ids))
            self._fill(PER_DOCUMENT, {name: np.asarray(column)[None] for name, column in
                                      document.document_columns.items()}, len(self._examples), 1)
            self._tokens += len(ids)
            self._lengths.append(len(ids))
            self._examples.append(example)
            self._both_ways.append(document.both_ways)

    def _weigh(self, weights: NDArray[np.float32]) -> None:
        whole = weights.astype(np.uint8)
        if self._weights is None and (whole != weights).any():
            self._weights = Growing(np.float32)
            self._weights.append(self._whole.whole())
        (self._whole if self._weights is None else self._weights).append(weights)

    def _fill(self, prefix: str, columns: Mapping[str, Array], before: int, more: int) -> None:
        """Put a document's columns, `more` rows each, after the `before` rows of earlier documents."""
        for name, column in columns.items():
            if prefix + name not in self._columns:
                self._columns[prefix + name] = Growing(column.dtype, column.shape[1:])
                self._columns[prefix + name].zeros(before)
            self._columns[prefix + name].append(column)
        for name in self._columns.keys() - {prefix + name for name in columns}:
            if name.startswith(prefix):
                self._columns[name].zeros(more)

    def flat(self) -> Flat:
        """The documents taken so far."""
        arrays: dict[str, Array] = {"ids": self._ids.whole(), "weights": (self._weights or self._whole).whole()}
        arrays |= {name: column.whole() for name, column in self._columns.items()}
        arrays["borders"] = np.concatenate([[0], np.cumsum(np.asarray(self._lengths), dtype=np.int64)])
        arrays["examples"] = np.asarray(self._examples, np.int64)
        if any(self._both_ways):
            arrays["both_ways"] = np.asarray(self._both_ways, np.uint8)
        if self._aimed:
            arrays["targets"] = self._targets.whole()
        return Flat(arrays)


def examples_of(documents: Sequence[Document]) -> NDArray[np.int64]:
    """(D,) the example of each document."""
    if isinstance(documents, Flat):
        return np.asarray(documents.arrays["examples"], np.int64)
    return np.fromiter((document.example for document in documents), np.int64, len(documents))


def lengths_of(documents: Sequence[Document]) -> NDArray[np.int64]:
    """(D,) the tokens of each document."""
    if isinstance(documents, Flat):
        return np.diff(documents.arrays["borders"])
    return np.fromiter(map(len, documents), np.int64, len(documents))


def column_of(documents: Sequence[Document], name: str) -> Array:
    """(D, …) a column of each document."""
    if isinstance(documents, Flat):
        return documents.arrays[PER_DOCUMENT + name]
    return np.stack([np.asarray(document.document_columns[name]) for document in documents])


def supervised_of(documents: Sequence[Document]) -> NDArray[np.int64]:
    """(D,) the supervised tokens of each document."""
    if isinstance(documents, Flat):
        before = np.concatenate([[0], np.cumsum(documents.arrays["weights"] > 0, dtype=np.int64)])
        borders = documents.arrays["borders"]
        return np.asarray(before[borders[1:]] - before[borders[:-1]], np.int64)
    return np.fromiter((np.count_nonzero(each.weights > 0) for each in documents), np.int64, len(documents))
