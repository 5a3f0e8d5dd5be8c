"""One vector a document: the mean of the states of its rows that have a weight, brought to length 1.

A batch whose rows depend on each other cannot be cut, and its graph would grow with it. So its vectors are computed
piece by piece without a graph, and each piece once more, with its graph, when the gradient of its vectors arrives: what
is held is one piece. Both passes draw the same random numbers. Source: Gao 2021, "Scaling Deep Contrastive Learning
Batch Size under Memory Limited Setup" (GradCache).

Letters: D documents, S rows with a weight, H hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..contracts import Model
from ..encoding.batches.packing import pack, placed, portions
from ..records import Batch, Document


def of_documents(model: Model, documents: Sequence[Document], *, tokens: int) -> Tensor:
    """(D, H) the documents' vectors, with the graph where one is wanted; at most `tokens` rows are computed at once."""
    by_length = sorted(range(len(documents)), key=lambda place: len(documents[place]))
    alone = [replace(documents[place], example=number) for number, place in enumerate(by_length)]
    pieces = [placed(pack(together), model.device) for together in portions(alone, tokens)]
    if torch.is_grad_enabled() and len(pieces) > 1:
        reached = torch.zeros((), requires_grad=True, device=model.device)
        vectors: Tensor = _InPieces.apply(reached, model, pieces)  # type: ignore[no-untyped-call]
    else:
        vectors = torch.cat([_vectors(model, piece) for piece in pieces])
    back = torch.empty(len(documents), dtype=torch.int64)
    back[by_length] = torch.arange(len(documents))
    return vectors[back.to(vectors.device)]


def _vectors(model: Model, piece: Batch) -> Tensor:
    """(D, H) the vectors of a piece. The sum is taken document by document, in float32 at least."""
    states_SH = model.states(piece, piece.supervised)
    counts_D = torch.bincount(piece.document_of[piece.supervised], minlength=len(piece.borders) - 1)
    wide_SH = states_SH if states_SH.dtype == torch.float64 else states_SH.float()
    means_DH = torch.segment_reduce(wide_SH, "mean", lengths=counts_D, axis=0)
    return torch.nn.functional.normalize(means_DH, dim=-1)


class _InPieces(torch.autograd.Function):
    """The vectors of pieces, none of whose graphs outlives its own backward pass."""

    @staticmethod
    def forward(ctx: Any, reached: Tensor, model: Model, pieces: Sequence[Batch]) -> Tensor:
        ctx.model, ctx.pieces, ctx.drawn, found = model, pieces, [], []
        for piece in pieces:
            ctx.drawn.append(_random_state(model.device))
            found.append(_vectors(model, piece))
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[None, None, None]:
        gradients = torch.split(arriving[0], [len(piece.borders) - 1 for piece in ctx.pieces])
        for piece, drawn, gradient in zip(ctx.pieces, ctx.drawn, gradients, strict=True):
            with torch.random.fork_rng(devices=_devices(ctx.model.device)), torch.enable_grad():
                _draw_again(drawn, ctx.model.device)
                _vectors(ctx.model, piece).backward(gradient)  # type: ignore[no-untyped-call]
        return None, None, None


def _devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _random_state(device: torch.device) -> tuple[Tensor, ...]:
    return (torch.get_rng_state(), *(torch.cuda.get_rng_state(each) for each in _devices(device)))


def _draw_again(state: tuple[Tensor, ...], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    for each, own in zip(_devices(device), state[1:], strict=True):
        torch.cuda.set_rng_state(own, each)
