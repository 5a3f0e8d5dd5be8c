"""A decoder layer forward and backward by hand, over documents packed in flat rows.

What is kept for the backward pass, a row: x, q k v, the attention's answer, the middle of the residual stream, gate
and up, and the narrow rows of low-rank additions; the normed rows and the gated product are made again where they
are read anyway.

Letters: M rows, S rows that are wanted at the end (the others serve as keys only), H hidden width, D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels import attention, gate, norms, rotary
from . import linears
from .buffers import Buffers
from .linears import Gradients
from .structure import Block, Norm


@dataclass(frozen=True, eq=False)
class Around:
    """What a layer is told beside its rows. rows: (S,) the ones wanted at the end, all where there is none."""

    borders: Sequence[int]
    cos_MR: Tensor
    sin_MR: Tensor
    rows: Tensor | None = None


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
    narrow: tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]


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
    found: Gradients = {}
    d_middle = _feed_backward(block, kept, given_SH, buffers, found)
    d_wanted = _output_backward(block, kept, d_middle, buffers, found)
    d_attended = d_wanted
    if around.rows is not None:
        d_attended = buffers.take(len(kept.x), d_wanted.shape[1], d_wanted).zero_()
        d_attended.index_copy_(0, around.rows, d_wanted)
        buffers.give(d_wanted)
    d_qkv = _attention_backward(block, kept, d_attended, around, buffers, found)
    d_x = _inputs_backward(block, kept, d_qkv, d_middle, around, buffers, found, wanted=wanted)
    buffers.give(d_attended, d_qkv, d_middle)
    give_back(kept, buffers)
    return d_x, found


def give_back(kept: Kept, buffers: Buffers) -> None:
    """Hand every buffer back; the layer's own rows belong to the layer before."""
    answers = [answer[0] for answer in (kept.attention_answer, kept.feed_answer) if answer is not None]
    buffers.give(kept.raw, kept.qkv, kept.attended, kept.middle, kept.gates, *answers, *kept.narrow)


def _attend(block: Block, x: Tensor, around: Around, buffers: Buffers) -> tuple[
    Tensor, Tensor | None, Tensor, tuple[Tensor | None, Tensor | None], Tensor, Tensor, Tensor | None
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
    if block.rotary:
        rotary.rotate_(_turned(block, qkv), around.cos_MR, around.sin_MR)
    attended = buffers.take(len(x), block.heads * block.width, x)
    answer = attended.view(len(x), block.heads, block.width)
    lse = attention.forward(query, key, value, around.borders, block.rule, out_MHD=answer)
    return root, raw, qkv, roots, lse, attended, narrow


def _feed_backward(block: Block, kept: Kept, given: Tensor, buffers: Buffers, found: Gradients) -> Tensor:
    """The gradient of the middle of the residual stream, through the feed-forward and past it."""
    rows, width = given.shape
    d_answer = _answer_backward(block.after_feed, kept.feed_answer, given, buffers, found)
    d_act = buffers.take(rows, block.down.inputs, given)
    d_narrow = linears.backward(block.down, d_answer, kept.narrow[3], buffers, out_MK=d_act)
    act = buffers.take(rows, block.down.inputs, given)
    gate.gated_backward(d_act, *_halves(kept.gates), block.gate, act)
    found |= linears.gradients(block.down, act, d_answer, kept.narrow[3], d_narrow)
    buffers.give(d_act, act, d_narrow, None if d_answer is given else d_answer)
    d_normed = buffers.take(rows, width, given)
    d_narrow = linears.backward(block.gates, kept.gates, kept.narrow[2], buffers, out_MK=d_normed)
    if linears.reads_rows(block.gates):
        normed = buffers.take(rows, width, given)
        norms.rms_norm(kept.middle, *_rule(block.before_feed), plus_one=block.before_feed.plus_one, out=normed)
        found |= linears.gradients(block.gates, normed, kept.gates, kept.narrow[2], d_narrow)
        buffers.give(normed)
    else:
        found |= linears.gradients(block.gates, None, kept.gates, None, None)
    d_middle = buffers.take(rows, width, given)
    d_middle.copy_(given)
    _norm_backward(block.before_feed, d_normed, kept.middle, kept.root_feed, d_middle, found, add=True)
    buffers.give(d_normed, d_narrow)
    return d_middle


def _output_backward(block: Block, kept: Kept, d_middle: Tensor, buffers: Buffers, found: Gradients) -> Tensor:
    """The gradient of the attention's answer on the rows that were wanted."""
    d_answer = _answer_backward(block.after_attention, kept.attention_answer, d_middle, buffers, found)
    d_wanted = buffers.take(len(d_middle), block.output.inputs, d_middle)
    d_narrow = linears.backward(block.output, d_answer, kept.narrow[1], buffers, out_MK=d_wanted)
    found |= linears.gradients(block.output, kept.wanted, d_answer, kept.narrow[1], d_narrow)
    buffers.give(d_narrow, None if d_answer is d_middle else d_answer)
    return d_wanted


def _attention_backward(
    block: Block, kept: Kept, d_attended: Tensor, around: Around, buffers: Buffers, found: Gradients
) -> Tensor:
    """The gradients of queries, keys and values before their norms and rotation, in one buffer."""
    d_qkv = buffers.take(len(kept.x), block.inputs.outputs, kept.x)
    shape = (len(kept.x), block.heads, block.width)
    d_query, d_key, d_value = _heads(block, d_qkv)
    attention.backward(
        d_attended.view(shape), kept.attended.view(shape), *_heads(block, kept.qkv), lse_HM=kept.lse,
        borders=around.borders, rule=block.rule, into=(d_query, d_key, d_value),
    )
    if block.rotary:
        rotary.rotate_(_turned(block, d_qkv), around.cos_MR, around.sin_MR, transpose=True)
    if kept.raw is not None:
        split = block.heads * block.width
        for norm, given, raw, root, count in (
            (block.query_norm, d_query, kept.raw[:, :split], kept.roots_heads[0], block.heads),
            (block.key_norm, d_key, kept.raw[:, split:], kept.roots_heads[1], block.kv_heads),
        ):
            if norm is not None and root is not None:
                _norm_backward(norm, given, raw.view(len(raw), count, block.width), root, given, found, add=False)
    return d_qkv


def _inputs_backward(
    block: Block, kept: Kept, d_qkv: Tensor, d_middle: Tensor, around: Around, buffers: Buffers, found: Gradients,
    *, wanted: bool,
) -> Tensor | None:
    """The gradient of the layer's rows."""
    before = block.before_attention
    through = wanted or before.weight.requires_grad
    d_normed = buffers.take(len(kept.x), kept.x.shape[1], kept.x) if through else None
    d_narrow = linears.backward(block.inputs, d_qkv, kept.narrow[0], buffers, out_MK=d_normed)
    if linears.reads_rows(block.inputs):
        normed = buffers.take(len(kept.x), kept.x.shape[1], kept.x)
        norms.rms_norm(kept.x, *_rule(before), plus_one=before.plus_one, out=normed)
        found |= linears.gradients(block.inputs, normed, d_qkv, kept.narrow[0], d_narrow)
        buffers.give(normed)
    else:
        found |= linears.gradients(block.inputs, None, d_qkv, None, None)
    buffers.give(d_narrow)
    if d_normed is None:
        return None
    d_x = torch.empty_like(kept.x)
    if around.rows is None:
        d_x.copy_(d_middle)
    else:
        d_x.zero_().index_copy_(0, around.rows, d_middle)
    _norm_backward(before, d_normed, kept.x, kept.root_attention, d_x, found, add=True)
    buffers.give(d_normed)
    return d_x


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


def _answer_backward(
    norm: Norm | None, raw: tuple[Tensor, Tensor] | None, given: Tensor, buffers: Buffers, found: Gradients
) -> Tensor:
    """Back through the norm of a part's answer; `given` itself where there is none."""
    if norm is None or raw is None:
        return given
    d_answer = buffers.take(len(given), given.shape[1], given)
    _norm_backward(norm, given, raw[0], raw[1], d_answer, found, add=False)
    return d_answer


def _norm_backward(
    norm: Norm, given: Tensor, x: Tensor, root: Tensor, into: Tensor, found: Gradients, *, add: bool
) -> None:
    gradient = norms.rms_norm_backward(
        given, x, norm.weight, root, plus_one=norm.plus_one, into=into, add=add, learns=norm.weight.requires_grad
    )
    if gradient is not None:
        found[norm.weight] = gradient
