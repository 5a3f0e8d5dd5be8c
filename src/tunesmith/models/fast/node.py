"""A block as one node of autograd's graph: no graph inside, buffers lent from forward to backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import block as blocks
from .block import Around, Kept
from .buffers import Buffers
from .structure import Block


@dataclass(eq=False)
class Call:
    """One use of a block. again: keep only the layer's rows, and compute the rest once more in the backward pass."""

    block: Block
    around: Around
    buffers: Buffers
    again: bool = False
    kept: Kept | None = None


def answer(call: Call, x_MH: Tensor) -> Tensor:
    """(S, H) the block's answer, with a graph where something in it, or before it, learns."""
    learning = call.block.learning() if torch.is_grad_enabled() else ()
    if not learning and not (x_MH.requires_grad and torch.is_grad_enabled()):
        with torch.no_grad():
            return blocks.forward(call.block, x_MH, call.around, call.buffers, keep=False)[0]
    found: Tensor = _Block.apply(call, x_MH, *learning)  # type: ignore[no-untyped-call]
    return found


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, *learning: Tensor) -> Tensor:
        ctx.call, ctx.learning = call, learning
        ctx.random = torch.get_rng_state() if call.again else None
        ctx.save_for_backward(x)
        found, call.kept = blocks.forward(call.block, x, call.around, call.buffers, keep=not call.again)
        return found

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        call: Call = ctx.call
        (x,) = ctx.saved_tensors
        if call.again:
            with torch.random.fork_rng(devices=[]):  # what was dropped is dropped again
                torch.set_rng_state(ctx.random)
                _, call.kept = blocks.forward(call.block, x, call.around, call.buffers, keep=True)
        if call.kept is None:
            raise RuntimeError("a graph through layers by hand cannot be sent backward a second time")
        d_x, found = blocks.backward(
            call.block, call.kept, arriving[0].contiguous(), call.around, call.buffers, wanted=ctx.needs_input_grad[1]
        )
        call.kept = None
        return (None, d_x, *(found[weight] for weight in ctx.learning))
