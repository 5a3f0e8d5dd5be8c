"""Documents to batches: flat rows with borders and no padding, in an order that resumes from any position."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import Failure
from ...records import Batch, Document, Order, Position, Source
from .flat import examples_of
from .mixing import Line, next_source, weights_of


def pack(documents: Sequence[Document], *, after: Position | None = None) -> Batch:
    """One batch of all the documents, in their order, on the CPU.

    Rows after a document's last supervised one are left out: in a causal model nothing that is trained sees them. A
    document without any weight, or one that is read both ways, is kept whole. Documents with the same `example` count
    as one example.
    """
    kept = [_rows(document) for document in documents]
    borders = [0, *np.cumsum(kept).tolist()]
    places: dict[int, int] = {}
    examples = [places.setdefault(document.example, len(places)) for document in documents]
    weights = _joined([document.weights for document in documents], kept)
    return Batch(
        ids=_joined([document.ids for document in documents], kept),
        positions=torch.cat([torch.arange(rows) for rows in kept]) if kept else torch.zeros(0, dtype=torch.int64),
        targets=_joined([document.targets for document in documents], kept),
        weights=weights,
        document_of=torch.repeat_interleave(torch.arange(len(kept)), torch.tensor(kept, dtype=torch.int64)),
        borders=tuple(borders),
        supervised=torch.nonzero(weights > 0).flatten(),
        examples=torch.tensor(examples, dtype=torch.int64),
        example_ids=tuple(places),
        documents=tuple(documents),
        after=after,
        token_columns={
            name: _joined([document.token_columns[name] for document in documents], kept)
            for name in _columns(documents, "token")
        },
        document_columns={
            name: torch.from_numpy(np.stack([document.document_columns[name] for document in documents]))
            for name in _columns(documents, "document")
        },
    )


def placed(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on a device; itself where they are there already."""
    if batch.ids.device == device:
        return batch
    return replace(
        batch,
        ids=batch.ids.to(device), positions=batch.positions.to(device), targets=batch.targets.to(device),
        weights=batch.weights.to(device), document_of=batch.document_of.to(device),
        supervised=batch.supervised.to(device), examples=batch.examples.to(device),
        token_columns={name: column.to(device) for name, column in batch.token_columns.items()},
        document_columns={name: column.to(device) for name, column in batch.document_columns.items()},
    )


def unchanged(model: Any, documents: Sequence[Document], settings: Any) -> Sequence[Document]:
    """The documents as they are: what a task prepares that needs nothing of the model before training."""
    return documents


def cut(batch: Batch, tokens: int) -> list[Batch]:
    """The batch in pieces of at most `tokens` rows each, parted only between examples.

    An example longer than that is a piece by itself.
    """
    of_example: dict[int, list[Document]] = {}
    for document in batch.documents:
        of_example.setdefault(document.example, []).append(document)
    pieces: list[list[Document]] = []
    filled = 0
    for documents in of_example.values():
        rows = sum(map(_rows, documents))
        if not pieces or filled + rows > tokens:
            pieces.append([])
            filled = 0
        pieces[-1] += documents
        filled += rows
    return [pack(piece, after=batch.after) for piece in pieces]


def portions(documents: Sequence[Document], tokens: int) -> Iterator[list[Document]]:
    """Documents in groups of at most `tokens` rows where possible; those of one example stay together."""
    of_example: dict[int, list[Document]] = {}
    for document in documents:
        of_example.setdefault(document.example, []).append(document)
    held: list[Document] = []
    rows = 0
    for parts in of_example.values():
        more = sum(map(len, parts))
        if held and rows + more > tokens:
            yield held
            held, rows = [], 0
        held.extend(parts)
        rows += more
    if held:
        yield held


def batches(
    model: Any, documents: Sequence[Document], settings: Any, order: Order, position: Position, *, given: Any = None,
    arrange: Callable[[list[int]], list[int]] | None = None,
) -> Iterator[Batch]:
    """The batches of the steps from `position` to the end of training: the default of every task.

    Each has exactly `order.batch_size` examples with all their documents; a batch that an epoch's end leaves short is
    filled from the next epoch. The cursor is {"epoch", "index", "step"}: examples gone by in this epoch's order (those
    set aside included), and steps taken; where sources are mixed, {"step", "sources"} with {"taken", "epoch", "index"}
    of each by its name. An example that such a batch holds twice counts twice. `model`, `settings` and `given` are for
    tasks that make their batches with them; arrange: what they make of the order of an epoch, from that order alone.
    """
    examples, places = _grouped(documents)
    lines = _lines(examples, order, position.cursor, arrange)
    weights, had = weights_of(order.sources), [taken for taken, _ in lines]
    step = int(position.cursor.get("step", 0))
    while step < order.steps:
        taken: list[int] = []
        for _ in range(order.batch_size):
            source = next_source(had, weights) if order.sources else 0
            taken.append(lines[source][1].take())
            had[source] += 1
        step += 1
        after = Position(_cursor(order, had, [line for _, line in lines], step), done_share=step / order.steps)
        yield pack([documents[place] for example in taken for place in places(example)], after=after)


def _lines(
    examples: Sequence[int], order: Order, cursor: Mapping[str, Any],
    arrange: Callable[[list[int]], list[int]] | None,
) -> list[tuple[int, Line]]:
    """For each source, how many rows it has had and the line that goes on from there."""
    whole = Source("", Fraction(1), 0, examples[-1] + 1 if examples else 0)
    lines = []
    for source in order.sources or (whole,):
        own = examples[bisect_left(examples, source.start) : bisect_left(examples, source.end)]
        if not set(own) - order.set_aside:
            of = f" of `{source.name}`" if source.name else ""
            raise Failure("data.nothing_left", f"no example{of} is left to train on",
                          f"data.mix.{source.name}" if source.cycle else "data.train",
                          "look at the rows that were set aside or refused")
        at = cursor.get("sources", {}).get(source.name, {}) if order.sources else cursor
        line = Line(own, order.seed, order.set_aside, source.cycle, int(at.get("epoch", 0)), int(at.get("index", 0)),
                    arrange)
        lines.append((int(at.get("taken", 0)), line))
    return lines


def _cursor(order: Order, taken: Sequence[int], lines: Sequence[Line], step: int) -> dict[str, Any]:
    if not order.sources:
        return {"epoch": lines[0].epoch, "index": lines[0].index, "step": step}
    return {"step": step, "sources": {
        source.name: {"taken": count, "epoch": line.epoch, "index": line.index}
        for source, count, line in zip(order.sources, taken, lines, strict=True)
    }}


def _grouped(documents: Sequence[Document]) -> tuple[list[int], Callable[[int], list[int]]]:
    """The examples, ascending, and what gives the places of an example's documents. No document is looked at."""
    of_document = examples_of(documents)
    places = np.argsort(of_document, kind="stable")
    examples, starts = np.unique(of_document[places], return_index=True)
    ends = np.append(starts[1:], len(places))

    def of(example: int) -> list[int]:
        at = int(np.searchsorted(examples, example))
        found: list[int] = places[starts[at] : ends[at]].tolist()
        return found

    return examples.tolist(), of


def _rows(document: Document) -> int:
    if document.both_ways:
        return len(document)
    weighted = np.flatnonzero(document.weights)
    return int(weighted[-1]) + 1 if len(weighted) else len(document)


def _joined(columns: Sequence[Any], rows: Sequence[int]) -> Tensor:
    parts = [np.asarray(column)[:count] for column, count in zip(columns, rows, strict=True)]
    return torch.from_numpy(np.concatenate(parts)) if parts else torch.zeros(0, dtype=torch.int64)


def _columns(documents: Sequence[Document], of: str) -> Mapping[str, Any]:
    if not documents:
        return {}
    return documents[0].token_columns if of == "token" else documents[0].document_columns
