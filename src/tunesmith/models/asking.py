"""What a head says of documents, asked a few at a time: those of like length together, the order kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from ..contracts import Model
from ..encoding.batches.packing import pack, placed, portions
from ..records import Document

TOKENS: Final = 4096  # rows computed at once


def outputs(model: Model, documents: Sequence[Document], tokens: int = TOKENS) -> list[Tensor]:
    """Of each document, on the CPU, what the head says: (L,) of a `sequence` head, else (T, L)."""
    found: dict[int, Tensor] = {}
    for places, together in _alike(documents, tokens):
        with torch.inference_mode():
            batch = placed(pack(together), model.device)
            said = model.outputs(batch).cpu()
        parts = list(said) if model.head.kind == "sequence" else [said[a:b] for a, b in pairwise(batch.borders)]
        found.update(zip(places, parts, strict=True))
    return [found[place] for place in range(len(documents))]


def states(model: Model, documents: Sequence[Document], tokens: int = TOKENS) -> Iterator[tuple[int, Tensor]]:
    """Each document's place and its (T, H) hidden states in float32, on the CPU; not in the documents' order."""
    for places, together in _alike(documents, tokens):
        with torch.inference_mode():
            batch = placed(pack(together), model.device)
            said = model.states(batch).float().cpu()
        yield from zip(places, (said[a:b] for a, b in pairwise(batch.borders)), strict=True)


def _alike(documents: Sequence[Document], tokens: int) -> Iterator[tuple[list[int], list[Document]]]:
    """Places and documents in portions, the shortest first; each stands for itself, whatever example it is of."""
    order = sorted(range(len(documents)), key=lambda place: len(documents[place]))
    done = 0
    for together in portions([replace(documents[place], example=place) for place in order], tokens):
        yield order[done : done + len(together)], together
        done += len(together)
