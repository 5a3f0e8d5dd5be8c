"""A decoder layer forward and backward by hand, over documents packed in flat rows.

What is kept for the backward pass, a row: x, q k v, the attention's answer, the middle of the residual stream, gate
and up, and the narrow rows and masks of low-rank additions; the normed rows and the gated product are made again where
they are read anyway.

Letters: M rows, S rows that are wanted at the end (the others serve as keys only), H hidden width, D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...kernels import attention, cached, gate, norms, rotary
from ...kernels.cached import Reading
from . import linears
from .buffers import Buffers
from .linears import Gradients, Linears, Narrow
from .structure import Block, Norm


@dataclass(frozen=True, eq=False)
class Around:
    """What a layer is told beside its rows.

    rows: (S,) the ones wanted at the end, all where there is none; angles: cosines and sines of rotary positions,
    (M, R) each, where the layer has them. reading: where the rows go on from what is remembered, under the layer's
    number, in place of borders; there is no way back then.
    """

    borders: Sequence[int]
    rows: Tensor | None = None
    angles: tuple[Tensor, Tensor] | None = None
    reading: Reading | None = None
    layer: int = 0


@dataclass(eq=False)
class Kept:
    """What the backward pass needs. `given_back` once it has run: nothing here may be read again."""

    x: Tensor
    root_attention: Tensor
    raw: Tensor | None
    qkv: Tensor
    roots_heads: tuple[Tensor | None, Tensor | None]
    lse: Tensor
    attended: Tensor
    wanted: Tensor
    attention_answer: tuple[Tensor, Tensor] | None
    middle: Tensor
    root_feed: Tensor
    gates: Tensor
    feed_answer: tuple[Tensor, Tensor] | None
    narrow: tuple[Narrow | None, Narrow | None, Narrow | None, Narrow | None]


def forward(block: Block, x_MH: Tensor, around: Around, buffers: Buffers, *, keep: bool) -> tuple[Tensor, Kept | None]:
    """(S, H) what the layer answers, and what its backward pass needs if it is to be kept."""
    kept_attention = _attend(block, x_MH, around, buffers)
    root_attention, raw, qkv, roots_heads, lse, attended, narrow_in = kept_attention
    wanted = attended if around.rows is None else attended[around.rows]
    x = x_MH if around.rows is None else x_MH[around.rows]
    middle = buffers.take(len(wanted), x.shape[1], x)
    narrow_out = linears.forward(block.output, wanted, middle, buffers)
    attention_answer = _normed_answer(block.after_attention, middle, buffers)
    middle += x
    normed = buffers.take(len(middle), x.shape[1], x)
    _, root_feed = norms.rms_norm(middle, *_rule(block.before_feed), plus_one=block.before_feed.plus_one, out=normed)
    gates = buffers.take(len(middle), block.gates.outputs, x)
    narrow_gates = linears.forward(block.gates, normed, gates, buffers)
    act = buffers.take(len(middle), block.down.inputs, x)
    gate.gated(*_halves(gates), block.gate, act)
    answer = torch.empty_like(middle)  # it belongs to whoever asked: how long it is read is not ours to say
    narrow_down = linears.forward(block.down, act, answer, buffers)
    feed_answer = _normed_answer(block.after_feed, answer, buffers)
    answer += middle
    buffers.give(act, normed)
    kept = Kept(x_MH, root_attention, raw, qkv, roots_heads, lse, attended, wanted, attention_answer, middle, root_feed,
                gates, feed_answer, (narrow_in, narrow_out, narrow_gates, narrow_down))
    if keep:
        return answer, kept
    give_back(kept, buffers)
    return answer, None


def backward(
    block: Block, kept: Kept, given_SH: Tensor, around: Around, buffers: Buffers, *, wanted: bool
) -> tuple[Tensor | None, Gradients]:
    """(M, H) the gradient of the layer's rows, if it is wanted, and those of its weights. Gives back what was kept."""
    way = _Way(block, kept, around, buffers)
    d_middle = _feed_backward(way, given_SH)
    d_wanted = _output_backward(way, d_middle)
    d_attended = d_wanted
    if around.rows is not None:
        d_attended = buffers.take(len(kept.x), d_wanted.shape[1], d_wanted).zero_()
        d_attended.index_copy_(0, around.rows, d_wanted)
        buffers.give(d_wanted)
    d_qkv = _attention_backward(way, d_attended)
    d_x = _inputs_backward(way, d_qkv, d_middle, wanted=wanted)
    buffers.give(d_attended, d_qkv, d_middle)
    give_back(kept, buffers)
    return d_x, way.found


@dataclass(eq=False)
class _Way:
    """One way back through a block. found: the gradients of its weights, so far."""

    block: Block
    kept: Kept
    around: Around
    buffers: Buffers
    found: Gradients = field(default_factory=dict)

    def take(self, rows: int, columns: int) -> Tensor:
        return self.buffers.take(rows, columns, self.kept.x)


def give_back(kept: Kept, buffers: Buffers) -> None:
    """Hand every buffer back; the layer's own rows belong to the layer before."""
    answers = [answer[0] for answer in (kept.attention_answer, kept.feed_answer) if answer is not None]
    buffers.give(kept.raw, kept.qkv, kept.attended, kept.middle, kept.gates, *answers)
    for narrow in kept.narrow:
        linears.give_back(narrow, buffers)


def _attend(block: Block, x: Tensor, around: Around, buffers: Buffers) -> tuple[
    Tensor, Tensor | None, Tensor, tuple[Tensor | None, Tensor | None], Tensor, Tensor, Narrow | None
]:
    """From the layer's rows to the attention's answer, and all that is kept on the way."""
    normed = buffers.take(len(x), x.shape[1], x)
    before = block.before_attention
    _, root = norms.rms_norm(x, *_rule(before), plus_one=before.plus_one, out=normed)
    qkv = buffers.take(len(x), block.inputs.outputs, x)
    narrow = linears.forward(block.inputs, normed, qkv, buffers)
    buffers.give(normed)
    query, key, value = _heads(block, qkv)
    raw: Tensor | None = None
    roots: tuple[Tensor | None, Tensor | None] = (None, None)
    if block.query_norm is not None or block.key_norm is not None:
        raw = buffers.take(len(x), (block.heads + block.kv_heads) * block.width, x)
        raw.copy_(qkv[:, : raw.shape[1]])
        roots = (_norm_heads(block.query_norm, query), _norm_heads(block.key_norm, key))
    if block.rotary and around.angles is not None:
        rotary.rotate_(_turned(block, qkv), *around.angles)
    attended = buffers.take(len(x), block.heads * block.width, x)
    answer = attended.view(len(x), block.heads, block.width)
    if around.reading is not None:
        cached.forward(around.layer, query, key, value, around.reading, rule=block.rule, out_MHD=answer)
        return root, raw, qkv, roots, root, attended, narrow
    lse = attention.forward(query, key, value, around.borders, block.rule, out_MHD=answer)
    return root, raw, qkv, roots, lse, attended, narrow


def _feed_backward(way: _Way, given: Tensor) -> Tensor:
    """The gradient of the middle of the residual stream, through the feed-forward and past it."""
    block, kept, buffers, rows = way.block, way.kept, way.buffers, len(given)
    d_answer = _answer_backward(way, block.after_feed, kept.feed_answer, given)
    d_act, act = way.take(rows, block.down.inputs), way.take(rows, block.down.inputs)
    d_narrow = linears.backward(block.down, d_answer, kept.narrow[3], buffers, out_MK=d_act)
    gate.gated_backward(d_act, *_halves(kept.gates), block.gate, act)
    way.found |= linears.gradients(block.down, act, d_answer, kept.narrow[3], d_narrow)
    buffers.give(d_act, act, d_narrow, None if d_answer is given else d_answer)
    d_normed = way.take(rows, given.shape[1])
    _through(way, block.gates, (block.before_feed, kept.middle), (kept.gates, kept.narrow[2]), d_normed)
    d_middle = way.take(rows, given.shape[1])
    d_middle.copy_(given)
    _norm_backward(way, block.before_feed, d_normed, (kept.middle, kept.root_feed), d_middle, add=True)
    buffers.give(d_normed)
    return d_middle


def _output_backward(way: _Way, d_middle: Tensor) -> Tensor:
    """The gradient of the attention's answer on the rows that were wanted."""
    block, kept = way.block, way.kept
    d_answer = _answer_backward(way, block.after_attention, kept.attention_answer, d_middle)
    d_wanted = way.take(len(d_middle), block.output.inputs)
    d_narrow = linears.backward(block.output, d_answer, kept.narrow[1], way.buffers, out_MK=d_wanted)
    way.found |= linears.gradients(block.output, kept.wanted, d_answer, kept.narrow[1], d_narrow)
    way.buffers.give(d_narrow, None if d_answer is d_middle else d_answer)
    return d_wanted


def _attention_backward(way: _Way, d_attended: Tensor) -> Tensor:
    """The gradients of queries, keys and values before their norms and rotation, in one buffer."""
    block, kept, around = way.block, way.kept, way.around
    d_qkv = way.take(len(kept.x), block.inputs.outputs)
    shape = (len(kept.x), block.heads, block.width)
    d_query, d_key, d_value = _heads(block, d_qkv)
    attention.backward(
        d_attended.view(shape), kept.attended.view(shape), *_heads(block, kept.qkv), lse_HM=kept.lse,
        borders=around.borders, rule=block.rule, into=(d_query, d_key, d_value),
    )
    if block.rotary and around.angles is not None:
        rotary.rotate_(_turned(block, d_qkv), *around.angles, transpose=True)
    if kept.raw is not None:
        raw = kept.raw.view(len(kept.raw), -1, block.width)
        parts = (block.query_norm, d_query, raw[:, : block.heads]), (block.key_norm, d_key, raw[:, block.heads :])
        for (norm, given, before), root in zip(parts, kept.roots_heads, strict=True):
            if norm is not None and root is not None:
                _norm_backward(way, norm, given, (before, root), given, add=False)
    return d_qkv


def _inputs_backward(way: _Way, d_qkv: Tensor, d_middle: Tensor, *, wanted: bool) -> Tensor | None:
    """The gradient of the layer's rows."""
    block, kept, norm = way.block, way.kept, way.block.before_attention
    through = wanted or norm.weight.requires_grad
    d_normed = way.take(len(kept.x), kept.x.shape[1]) if through else None
    _through(way, block.inputs, (norm, kept.x), (d_qkv, kept.narrow[0]), d_normed)
    if d_normed is None:
        return None
    d_x = torch.empty_like(kept.x)
    if way.around.rows is None:
        d_x.copy_(d_middle)
    else:
        d_x.zero_().index_copy_(0, way.around.rows, d_middle)
    _norm_backward(way, norm, d_normed, (kept.x, kept.root_attention), d_x, add=True)
    way.buffers.give(d_normed)
    return d_x


def _through(
    way: _Way, layers: Linears, read: tuple[Norm, Tensor], given: tuple[Tensor, Narrow | None], out: Tensor | None
) -> None:
    """Back through layers that read normed rows, which are made again where a weight's gradient needs them.

    read: the norm, and the rows before it; given: the gradient of what the layers gave, and their narrow rows.
    """
    d_narrow = linears.backward(layers, *given, way.buffers, out_MK=out)
    normed = None
    if linears.reads_rows(layers):
        norm, rows = read
        normed = way.take(len(rows), rows.shape[1])
        norms.rms_norm(rows, *_rule(norm), plus_one=norm.plus_one, out=normed)
    way.found |= linears.gradients(layers, normed, *given, d_narrow)
    way.buffers.give(normed, d_narrow)


def _rule(norm: Norm) -> tuple[Tensor, float]:
    return norm.weight, norm.epsilon


def _heads(block: Block, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(M, heads, D) views of the queries, keys and values in one buffer."""
    counts = (block.heads, block.kv_heads, block.kv_heads)
    parts = torch.split(qkv, [count * block.width for count in counts], dim=1)
    query, key, value = (
        part.view(len(qkv), count, block.width) for part, count in zip(parts, counts, strict=True)
    )
    return query, key, value


def _halves(gates: Tensor) -> tuple[Tensor, Tensor]:
    """Gate and up, in one buffer."""
    first, second = torch.chunk(gates, 2, 1)
    return first, second


def _turned(block: Block, qkv: Tensor) -> Tensor:
    """(M, heads + kv_heads, D): what rotary positions turn."""
    count = block.heads + block.kv_heads
    return qkv[:, : count * block.width].view(len(qkv), count, block.width)


def _norm_heads(norm: Norm | None, heads: Tensor) -> Tensor | None:
    if norm is None:
        return None
    return norms.rms_norm(heads, *_rule(norm), plus_one=norm.plus_one, out=heads)[1]


def _normed_answer(norm: Norm | None, answer: Tensor, buffers: Buffers) -> tuple[Tensor, Tensor] | None:
    """Norm a part's answer in place; keeps what it was, and its root."""
    if norm is None:
        return None
    raw = buffers.take(len(answer), answer.shape[1], answer)
    raw.copy_(answer)
    return raw, norms.rms_norm(raw, *_rule(norm), plus_one=norm.plus_one, out=answer)[1]


def _answer_backward(way: _Way, norm: Norm | None, raw: tuple[Tensor, Tensor] | None, given: Tensor) -> Tensor:
    """Back through the norm of a part's answer; `given` itself where there is none."""
    if norm is None or raw is None:
        return given
    d_answer = way.take(len(given), given.shape[1])
    _norm_backward(way, norm, given, raw, d_answer, add=False)
    return d_answer


def _norm_backward(
    way: _Way, norm: Norm, given: Tensor, rows_root: tuple[Tensor, Tensor], into: Tensor, *, add: bool
) -> None:
    rows, root = rows_root
    gradient = norms.rms_norm_backward(
        given, rows, norm.weight, root, plus_one=norm.plus_one, into=into, add=add, learns=norm.weight.requires_grad
    )
    if gradient is not None:
        way.found[norm.weight] = gradient
