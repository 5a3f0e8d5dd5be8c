"""Hidden states of documents that cannot be packed: rows of a batch, padded on the right.

It is exact: what stands after a document is seen by none of its rows, for a mask says where it ends.

Letters: M rows of all documents, D documents of a group, T rows of its longest, H hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..records import Batch
from . import layouts

# At least this share of the longest is what each document of a group fills: at most a quarter is padding
FULL = 0.75


def states(decoder: Any, batch: Batch, rows: Tensor | None, *, together: bool) -> Tensor:
    """(R, H) hidden states of the rows wanted (default: all), in the order of the batch.

    decoder: a transformers network without its head. together: documents of like length are computed at once, else
    each by itself.
    """
    lengths, segments = [end - start for start, end in pairwise(batch.borders)], layouts.segments(decoder, batch)
    flat, places = [], torch.empty(batch.tokens, dtype=torch.long)
    laid = 0
    for group in grouped(lengths) if together else [[number] for number in range(len(lengths))]:
        ids_DT, seen_DT = _padded(batch, batch.ids, group)
        mask = None if bool(seen_DT.all()) else seen_DT.long().to(batch.ids.device)
        told = {} if segments is None else {"token_type_ids": _padded(batch, segments, group)[0]}
        found = decoder(input_ids=ids_DT, attention_mask=mask, use_cache=False, **told).last_hidden_state
        flat.append(found.flatten(0, 1))
        for place, number in enumerate(group):
            first = laid + place * ids_DT.shape[1]
            places[batch.borders[number] : batch.borders[number + 1]] = torch.arange(first, first + lengths[number])
        laid += ids_DT.numel()
    wanted = places.to(batch.ids.device)
    # one gather, as the backward pass of many slices would fill a whole tensor for each
    return torch.cat(flat)[wanted if rows is None else wanted[rows]]


def grouped(lengths: Sequence[int]) -> list[list[int]]:
    """The numbers of the documents, longest first, in groups whose padding is small."""
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if groups and lengths[number] >= FULL * lengths[groups[-1][0]]:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _padded(batch: Batch, column: Tensor, group: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(D, T) a column of some documents, and which of its numbers are no padding (on the CPU)."""
    parts = [column[batch.borders[number] : batch.borders[number + 1]] for number in group]
    ids_DT = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    lengths = torch.tensor([len(part) for part in parts])
    return ids_DT, torch.arange(ids_DT.shape[1])[None] < lengths[:, None]
