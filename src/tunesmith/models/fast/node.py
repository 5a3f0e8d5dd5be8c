"""A block as one node of autograd's graph: no graph inside, buffers lent from forward to backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import block as of_llama
from . import post_norm_block as of_bert
from .block import Around
from .buffers import Buffers
from .linears import Gradients
from .post_norm import PostNorm
from .structure import Block


@dataclass(eq=False)
class Call:
    """One use of a block. again: keep only the layer's rows, and compute the rest once more in the backward pass."""

    block: Block | PostNorm
    around: Around
    buffers: Buffers
    again: bool = False
    kept: of_llama.Kept | of_bert.Kept | None = None

    def forward(self, x_MH: Tensor, *, keep: bool) -> Tensor:
        """(S, H) the answer; with `keep`, what the way back needs is kept."""
        if isinstance(self.block, Block):
            found, self.kept = of_llama.forward(self.block, x_MH, self.around, self.buffers, keep=keep)
        else:
            found, self.kept = of_bert.forward(self.block, x_MH, self.around, self.buffers, keep=keep)
        return found

    def backward(self, given_SH: Tensor, *, wanted: bool) -> tuple[Tensor | None, Gradients]:
        """The gradient of the rows, if it is wanted, and those of the weights; what was kept is gone."""
        kept, self.kept = self.kept, None
        if isinstance(self.block, Block) and isinstance(kept, of_llama.Kept):
            return of_llama.backward(self.block, kept, given_SH, self.around, self.buffers, wanted=wanted)
        if isinstance(self.block, PostNorm) and isinstance(kept, of_bert.Kept):
            return of_bert.backward(self.block, kept, given_SH, self.around, self.buffers, wanted=wanted)
        raise RuntimeError("a graph through layers by hand cannot be sent backward a second time")


def answer(call: Call, x_MH: Tensor) -> Tensor:
    """(S, H) the block's answer, with a graph where something in it, or before it, learns."""
    learning = call.block.learning() if torch.is_grad_enabled() else ()
    if not learning and not (x_MH.requires_grad and torch.is_grad_enabled()):
        with torch.no_grad():
            return call.forward(x_MH, keep=False)
    found: Tensor = _Block.apply(call, x_MH, *learning)  # type: ignore[no-untyped-call]
    return found


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, *learning: Tensor) -> Tensor:
        ctx.call, ctx.learning = call, learning
        ctx.random = torch.get_rng_state() if call.again else None
        ctx.save_for_backward(x)
        return call.forward(x, keep=not call.again)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        call: Call = ctx.call
        (x,) = ctx.saved_tensors
        if call.again:
            with torch.random.fork_rng(devices=[]):  # what was dropped is dropped again
                torch.set_rng_state(ctx.random)
                call.forward(x, keep=True)
        d_x, found = call.backward(arriving[0].contiguous(), wanted=ctx.needs_input_grad[1])
        return (None, d_x, *(found[weight] for weight in ctx.learning))
