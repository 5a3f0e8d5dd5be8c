"""Linear layers by themselves on our products: in layers that compute in their own way, and while text is written.

Worth it only where our products use the processor's tiles and torch's cannot.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...kernels import build, ideas
from ..adapters.lora import LoraLinear
from . import linears
from .buffers import Buffers
from .linears import Linears


def install(network: nn.Module, buffers: Buffers) -> None:
    """Let every linear layer of a bfloat16 network multiply with our products; the head, where nothing learns by it.

    While text is written, torch's own product with SmolLM2's head took 34 ms of a step of 55.
    """
    if not build.tiles() or not ideas.on("block"):
        return
    head = network.get_output_embeddings()  # type: ignore[operator]
    for layer in network.modules():
        if type(layer) in (nn.Linear, LoraLinear) and layer is not head and layer.weight.dtype == torch.bfloat16:
            layer.forward = partial(_forward, Linears((layer,)), buffers, layer.forward)  # type: ignore[arg-type]
    if type(head) is nn.Linear and head.weight.dtype == torch.bfloat16:
        head.forward = partial(_say, Linears((head,)), buffers, head.forward)  # type: ignore[method-assign]


def _say(head: Linears, buffers: Buffers, own: Any, input: Tensor) -> Tensor:
    """What a head says; by itself where there may be a way back, since what learns has a loss of its own."""
    answer: Tensor = own(input) if torch.is_grad_enabled() else _forward(head, buffers, own, input)
    return answer


def _forward(layer: Linears, buffers: Buffers, own: Any, input: Tensor) -> Tensor:
    """The layer's forward pass; `own` where the rows are not what its weight is."""
    module = layer.layers[0]
    if input.dtype != torch.bfloat16:
        answer: Tensor = own(input)
        return answer
    rows = input.reshape(-1, module.in_features)
    learning = tuple(layer.learning()) if torch.is_grad_enabled() else ()
    if learning or (rows.requires_grad and torch.is_grad_enabled()):
        found: Tensor = _Linear.apply(layer, buffers, rows, *learning)  # type: ignore[no-untyped-call]
    else:
        found = torch.empty(len(rows), module.out_features, dtype=rows.dtype)
        with torch.no_grad():
            linears.give_back(linears.forward(layer, rows, found, buffers), buffers)
    return found.view(*input.shape[:-1], module.out_features)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layer: Linears, buffers: Buffers, rows: Tensor, *learning: Tensor) -> Tensor:
        found = torch.empty(len(rows), layer.outputs, dtype=rows.dtype)
        ctx.layer, ctx.buffers, ctx.learning = layer, buffers, learning
        ctx.narrow = linears.forward(layer, rows, found, buffers)
        ctx.save_for_backward(rows)
        return found

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Any, ...]:
        (rows,), given = ctx.saved_tensors, arriving[0].contiguous()
        d_rows = torch.empty_like(rows) if ctx.needs_input_grad[2] else None
        d_narrow = linears.backward(ctx.layer, given, ctx.narrow, ctx.buffers, out_MK=d_rows)
        found = linears.gradients(ctx.layer, rows, given, ctx.narrow, d_narrow)
        linears.give_back(ctx.narrow, ctx.buffers)
        ctx.buffers.give(d_narrow)
        return None, None, d_rows, *(found[weight] for weight in ctx.learning)
