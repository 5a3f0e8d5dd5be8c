"""Documents of a side as a few flat arrays, which can be memory-mapped: a document is cut out when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..records import Document
from . import shift

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
    """Documents, taken in one after another."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Array]] = {"ids": [], "weights": []}
        self._examples: list[int] = []
        self._targets: dict[int, Array] = {}
        self._both_ways: list[bool] = []
        self._columns: dict[str, dict[int, Array]] = {}

    def take(self, documents: Sequence[Document], example: int) -> None:
        """Add all documents of an example; `example` is its index in its side. Columns that it lacks are zeros."""
        for document in documents:
            ids, targets, weights = document.ids, document.targets, document.weights
            if targets[-1:] != shift.NO_TARGET or (targets[:-1] != ids[1:]).any():
                self._targets[len(self._examples)] = targets
            whole = weights.astype(np.uint8)
            self._examples.append(example)
            self._both_ways.append(document.both_ways)
            self._parts["ids"].append(ids.astype(np.int32))
            self._parts["weights"].append(weights if (whole != weights).any() else whole)
            place = len(self._examples) - 1
            for name, column in document.token_columns.items():
                self._columns.setdefault(PER_TOKEN + name, {})[place] = column
            for name, column in document.document_columns.items():
                self._columns.setdefault(PER_DOCUMENT + name, {})[place] = np.asarray(column)[None]

    def flat(self) -> Flat:
        """The documents taken so far."""
        lengths = [len(ids) for ids in self._parts["ids"]]
        arrays = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        for name, given in self._columns.items():
            like = next(iter(given.values()))
            sizes = lengths if name.startswith(PER_TOKEN) else [1] * len(lengths)
            arrays[name] = np.concatenate([
                given[place] if place in given else np.zeros((size, *like.shape[1:]), like.dtype)
                for place, size in enumerate(sizes)])
        arrays.setdefault("ids", np.zeros(0, np.int32))
        arrays.setdefault("weights", np.zeros(0, np.uint8))
        arrays["borders"] = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        arrays["examples"] = np.asarray(self._examples, np.int64)
        if any(self._both_ways):
            arrays["both_ways"] = np.asarray(self._both_ways, np.uint8)
        if self._targets:
            targets = [self._targets.get(place, shift.targets(ids)) for place, ids in enumerate(self._parts["ids"])]
            arrays["targets"] = np.concatenate(targets).astype(np.int32)
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
