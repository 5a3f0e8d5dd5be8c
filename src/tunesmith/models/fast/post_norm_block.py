"""A layer of BERT's family forward and backward by hand, over documents packed in flat rows.

What is kept for the backward pass, a row: x, q k v, the attention's answer, both sums before their norms, the first
norm's answer, and what goes into the activation; the activation is made again where its gradient is.

Letters: M rows, S rows that are wanted at the end (the others serve as keys only), H hidden width, D width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...kernels import attention, gate, layer_norm
from ...kernels.layer_norm import Moments
from . import linears
from .block import Around
from .buffers import Buffers
from .linears import Gradients, Linears, Narrow
from .post_norm import PostNorm


@dataclass(eq=False)
class Kept:
    """What the backward pass needs."""

    x: Tensor
    qkv: Tensor
    lse: Tensor
    attended: Tensor
    wanted: Tensor
    first: Tensor
    first_moments: Moments
    middle: Tensor
    before_active: Tensor
    second: Tensor
    second_moments: Moments
    narrow: tuple[Narrow | None, Narrow | None, Narrow | None, Narrow | None]


def forward(
    block: PostNorm, x_MH: Tensor, around: Around, buffers: Buffers, *, keep: bool
) -> tuple[Tensor, Kept | None]:
    """(S, H) what the layer answers, and what its backward pass needs if it is to be kept."""
    rows = len(x_MH)
    qkv = buffers.take(rows, block.inputs.outputs, x_MH)
    narrow_in = linears.forward(block.inputs, x_MH, qkv, buffers)
    attended = buffers.take(rows, block.output.inputs, x_MH)
    lse = attention.forward(*_heads(block, qkv), around.borders, block.rule, out_MHD=_by_head(block, attended))
    wanted = attended if around.rows is None else attended[around.rows]
    x = x_MH if around.rows is None else x_MH[around.rows]
    first = buffers.take(len(x), x.shape[1], x)
    narrow_out = linears.forward(block.output, wanted, first, buffers)
    middle = buffers.take(len(x), x.shape[1], x)
    first_moments = _norm(block.after_attention, first, x, middle)
    before_active = buffers.take(len(x), block.up.outputs, x)
    narrow_up = linears.forward(block.up, middle, before_active, buffers)
    act = buffers.take(len(x), block.down.inputs, x)
    gate.active(before_active, block.kind, act)
    second = buffers.take(len(x), x.shape[1], x)
    narrow_down = linears.forward(block.down, act, second, buffers)
    buffers.give(act)
    answer = torch.empty_like(x)  # it belongs to whoever asked: how long it is read is not ours to say
    second_moments = _norm(block.after_feed, second, middle, answer)
    kept = Kept(x_MH, qkv, lse, attended, wanted, first, first_moments, middle, before_active, second, second_moments,
                (narrow_in, narrow_out, narrow_up, narrow_down))
    if keep:
        return answer, kept
    give_back(kept, buffers)
    return answer, None


def backward(
    block: PostNorm, kept: Kept, given_SH: Tensor, around: Around, buffers: Buffers, *, wanted: bool
) -> tuple[Tensor | None, Gradients]:
    """(M, H) the gradient of the layer's rows, if it is wanted, and those of its weights. Gives back what was kept."""
    way = _Way(block, kept, around, buffers)
    d_middle = _feed_backward(way, given_SH)
    d_first = _norm_backward(way, block.after_attention, d_middle, (kept.first, kept.first_moments))
    buffers.give(d_middle)
    d_attended = _output_backward(way, d_first)
    d_qkv = way.take(len(kept.x), block.inputs.outputs)
    attention.backward(
        _by_head(block, d_attended), _by_head(block, kept.attended), *_heads(block, kept.qkv), lse_HM=kept.lse,
        borders=around.borders, rule=block.rule, into=_heads(block, d_qkv),
    )
    d_x = _inputs_backward(way, d_qkv, d_first, wanted=wanted)
    buffers.give(d_attended, d_qkv, d_first)
    give_back(kept, buffers)
    return d_x, way.found


@dataclass(eq=False)
class _Way:
    """One way back through a layer. found: the gradients of its weights, so far."""

    block: PostNorm
    kept: Kept
    around: Around
    buffers: Buffers
    found: Gradients = field(default_factory=dict)

    def take(self, rows: int, columns: int) -> Tensor:
        return self.buffers.take(rows, columns, self.kept.x)


def give_back(kept: Kept, buffers: Buffers) -> None:
    """Hand every buffer back; the layer's own rows belong to the layer before."""
    buffers.give(kept.qkv, kept.attended, kept.first, kept.middle, kept.before_active, kept.second)
    for narrow in kept.narrow:
        linears.give_back(narrow, buffers)


def _feed_backward(way: _Way, given: Tensor) -> Tensor:
    """The gradient of what the first norm answered, through the feed-forward and past it."""
    block, kept = way.block, way.kept
    d_second = _norm_backward(way, block.after_feed, given, (kept.second, kept.second_moments))
    d_act = way.take(len(given), block.down.inputs)
    d_narrow = linears.backward(block.down, d_second, kept.narrow[3], way.buffers, out_MK=d_act)
    gate.active_backward(d_act, kept.before_active, block.kind, d_act)  # now the activation, and before it the gradient
    way.found |= linears.gradients(block.down, d_act, d_second, kept.narrow[3], d_narrow)
    way.buffers.give(d_act, d_narrow)
    _through(way, block.up, (kept.before_active, kept.narrow[2]), kept.middle, d_second)
    return d_second


def _output_backward(way: _Way, d_first: Tensor) -> Tensor:
    """The gradient of the attention's answer on all rows."""
    block, kept, rows = way.block, way.kept, way.around.rows
    d_wanted = way.take(len(d_first), block.output.inputs)
    d_narrow = linears.backward(block.output, d_first, kept.narrow[1], way.buffers, out_MK=d_wanted)
    way.found |= linears.gradients(block.output, kept.wanted, d_first, kept.narrow[1], d_narrow)
    way.buffers.give(d_narrow)
    if rows is None:
        return d_wanted
    d_attended = way.take(len(kept.x), d_wanted.shape[1]).zero_()
    d_attended.index_copy_(0, rows, d_wanted)
    way.buffers.give(d_wanted)
    return d_attended


def _inputs_backward(way: _Way, d_qkv: Tensor, d_first: Tensor, *, wanted: bool) -> Tensor | None:
    """The gradient of the layer's rows."""
    kept, rows, d_x = way.kept, way.around.rows, None
    if wanted:
        d_x = torch.empty_like(kept.x)
        if rows is None:
            d_x.copy_(d_first)
        else:
            d_x.zero_().index_copy_(0, rows, d_first)
    _through(way, way.block.inputs, (d_qkv, kept.narrow[0]), kept.x, d_x)
    return d_x


def _through(
    way: _Way, layers: Linears, given: tuple[Tensor, Narrow | None], read: Tensor, onto: Tensor | None
) -> None:
    """Back through layers that read `read`: their gradients, and that of the rows added onto what is there."""
    d_narrow = linears.backward(layers, *given, way.buffers, out_MK=onto, add=True)
    way.found |= linears.gradients(layers, read, *given, d_narrow)
    way.buffers.give(d_narrow)


def _norm(norm: nn.LayerNorm, x: Tensor, added: Tensor, out: Tensor) -> Moments:
    return layer_norm.layer_norm(x, norm.weight, norm.bias, norm.eps, out_MH=out, added_MH=added)


def _norm_backward(way: _Way, norm: nn.LayerNorm, given: Tensor, read: tuple[Tensor, Moments]) -> Tensor:
    """The gradient of a norm's rows, in a buffer."""
    rows, moments = read
    into = way.take(len(given), given.shape[1])
    learns = norm.weight.requires_grad or norm.bias.requires_grad
    found = layer_norm.layer_norm_backward(given, rows, norm.weight, moments, into_MH=into, learns=learns)
    if found is not None:
        way.found |= {weight: gradient for weight, gradient in zip((norm.weight, norm.bias), found, strict=True)
                      if weight.requires_grad}
    return into


def _heads(block: PostNorm, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(M, heads, D) views of the queries, keys and values in one buffer."""
    query, key, value = (_by_head(block, part) for part in torch.chunk(qkv, 3, dim=1))
    return query, key, value


def _by_head(block: PostNorm, rows: Tensor) -> Tensor:
    return rows.view(len(rows), block.heads, block.width)
