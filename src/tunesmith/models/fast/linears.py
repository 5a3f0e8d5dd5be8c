"""Linear layers that read the same rows, and their low-rank additions, forward and backward by hand.

Letters: M rows, K inputs, N outputs of one layer, R width of its low-rank addition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...kernels import layer_norm, products
from ..adapters.lora import LoraLinear, drawn, grown
from .buffers import Buffers

Gradients = dict[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Linears:
    """Layers that read the same input; their outputs stand beside one another in one buffer."""

    layers: tuple[nn.Linear, ...]
    _matrices: dict[nn.Linear, tuple[Tensor, int, products.Matrix]] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Columns of what they give together."""
        return sum(layer.out_features for layer in self.layers)

    @property
    def inputs(self) -> int:
        """Columns of what they read."""
        return self.layers[0].in_features

    def learning(self) -> Iterator[Tensor]:
        """The weights that learn, in a fixed order."""
        for layer in self.layers:
            weights = [layer.weight, layer.bias]
            if isinstance(layer, LoraLinear) and layer.active:
                weights += [layer.lora_A.weight, layer.lora_B.weight]
            yield from (weight for weight in weights if weight is not None and weight.requires_grad)

    def matrix(self, layer: nn.Linear) -> products.Matrix:
        """The layer's own weight, made ready once for as long as its numbers stay what they are."""
        weight, version, matrix = self._matrices.get(layer, (None, -1, None))
        if matrix is None or weight is not layer.weight or version != layer.weight._version:
            learns = layer.weight.requires_grad
            matrix = products.Matrix(layer.weight, frozen=False) if learns else products.laid_out(layer.weight)
            self._matrices[layer] = (layer.weight, layer.weight._version, matrix)
        return matrix

    def added(self) -> list[LoraLinear | None]:
        """For each layer itself, if it has a low-rank addition that is on."""
        return [layer if isinstance(layer, LoraLinear) and layer.active else None for layer in self.layers]

    def columns(self, rows_MN: Tensor) -> tuple[Tensor, ...]:
        """Each layer's part of a buffer that holds all outputs."""
        return torch.split(rows_MN, [layer.out_features for layer in self.layers], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class Narrow:
    """What the way back needs of the additions: the narrow rows A x, and for each layer what of x was not dropped."""

    rows_MR: Tensor
    masks: tuple[Tensor | None, ...]


def forward(linears: Linears, rows_MK: Tensor, out_MN: Tensor, buffers: Buffers) -> Narrow | None:
    """Fill `out` with W x + b + scale B A dropout(x) of every layer; returns what backward needs of the additions.

    Masks are drawn one layer after the other, as the layers by themselves would draw them.
    """
    added = linears.added()
    if not any(added):
        for layer, out in zip(linears.layers, linears.columns(out_MN), strict=True):
            products.multiply(rows_MK, linears.matrix(layer), out, bias_N=layer.bias)
        return None
    masks = tuple(drawn(rows_MK, each.dropout) if each and each.drops else None for each in added)
    narrow = Narrow(buffers.take(len(rows_MK), _width(added), rows_MK), masks)
    for layer, out, low in zip(linears.layers, linears.columns(out_MN), _lows(narrow, added), strict=True):
        if low is not None and low.mask is not None:
            dropped = torch.mul(rows_MK, low.mask, out=buffers.take(len(rows_MK), rows_MK.shape[1], rows_MK))
            products.multiply(dropped, products.Matrix(low.down, frozen=False), low.narrow)
            buffers.give(dropped)
        products.multiply(
            rows_MK, linears.matrix(layer), out, bias_N=layer.bias, low=(low.narrow, low.up) if low else None,
            through_RK=low.down if low and low.mask is None else None,
        )
    return narrow


def backward(
    linears: Linears, given_MN: Tensor, narrow: Narrow | None, buffers: Buffers, *, out_MK: Tensor | None,
    add: bool = False,
) -> Tensor | None:
    """Write the gradient of the rows to `out`, or add it there, if it is wanted; returns that of the narrow rows."""
    d_narrow = None if narrow is None else buffers.take(len(given_MN), narrow.rows_MR.shape[1], narrow.rows_MR)
    d_lows = _lows(None if narrow is None or d_narrow is None else Narrow(d_narrow, narrow.masks), linears.added())
    for number, (layer, given, low) in enumerate(zip(linears.layers, linears.columns(given_MN), d_lows, strict=True)):
        dropped = low is not None and low.mask is not None
        if low is not None and (dropped or out_MK is None):
            products.multiply_back(given, products.Matrix(low.up, frozen=False), low.narrow)
        if out_MK is None:
            continue
        products.multiply_back(
            given, linears.matrix(layer), out_MK, add=add or number > 0,
            low=(low.narrow, low.down) if low and not dropped else None,
            through_NR=low.up if low and not dropped else None,
        )
        if low is not None and low.mask is not None:
            sent = buffers.take(len(out_MK), out_MK.shape[1], out_MK)
            products.multiply_back(low.narrow, products.Matrix(low.down, frozen=False), sent)
            out_MK += sent.mul_(low.mask)
            buffers.give(sent)
    return d_narrow


def give_back(narrow: Narrow | None, buffers: Buffers) -> None:
    """Nobody will read it again."""
    if narrow is not None:
        buffers.give(narrow.rows_MR)


def gradients(
    linears: Linears, rows_MK: Tensor | None, given_MN: Tensor, narrow: Narrow | None, d_narrow_MR: Tensor | None
) -> Gradients:
    """The gradient of every weight that learns. rows: what the layers read; None where no weight needs it."""
    found: Gradients = {}
    parts = linears.columns(given_MN)
    for layer, given in zip(linears.layers, parts, strict=True):
        if layer.weight.requires_grad and rows_MK is not None:
            found[layer.weight] = _across(given, rows_MK)
        if layer.bias is not None and layer.bias.requires_grad:
            found[layer.bias] = layer_norm.sum_rows(given)
    if narrow is None or d_narrow_MR is None or rows_MK is None:
        return found
    added = linears.added()
    downs = iter(_downs(added, rows_MK, narrow, d_narrow_MR))
    for given, each, low in zip(parts, added, _lows(narrow, added), strict=True):
        if each is not None and low is not None:
            found[each.lora_A.weight] = next(downs)
            found[each.lora_B.weight] = _across(given, low.narrow, scale=each.scale)
    return {weight: gradient for weight, gradient in found.items() if weight.requires_grad}


def reads_rows(linears: Linears) -> bool:
    """Whether a weight's gradient needs the rows that were read."""
    return any(layer.weight.requires_grad for layer in linears.layers) or any(linears.added())


@dataclass(frozen=True, slots=True, eq=False)
class _Low:
    """A low-rank addition and the narrow rows between its factors.

    down: A, made larger where a mask drops some of what it reads; up: B with its scale.
    """

    narrow: Tensor
    down: Tensor
    up: Tensor
    mask: Tensor | None


def _lows(narrow: Narrow | None, added: list[LoraLinear | None]) -> list[_Low | None]:
    """For each layer its addition with its own columns of the narrow rows, or nothing."""
    lows: list[_Low | None] = []
    place = 0
    for number, each in enumerate(added):
        if each is None or narrow is None:
            lows.append(None)
            continue
        width = each.lora_A.out_features
        up, down = each.lora_B.weight.detach() * each.scale, each.lora_A.weight.detach()
        mask = narrow.masks[number]
        down = down if mask is None else down * grown(each.dropout)
        lows.append(_Low(narrow.rows_MR[:, place:place + width], down, up, mask))
        place += width
    return lows


def _downs(
    added: list[LoraLinear | None], rows_MK: Tensor, narrow: Narrow, d_narrow_MR: Tensor
) -> Sequence[Tensor]:
    """The gradient of each A: of all at once where they read the same rows."""
    widths = [each.lora_A.out_features for each in added if each]
    if not any(mask is not None for mask in narrow.masks):
        return torch.split(_across(d_narrow_MR, rows_MK), widths)
    masks = [(mask, each.dropout) for mask, each in zip(narrow.masks, added, strict=True) if each]
    return [
        _across(part, rows_MK if mask is None else rows_MK * mask, scale=1.0 if mask is None else grown(share))
        for part, (mask, share) in zip(torch.split(d_narrow_MR, widths, dim=1), masks, strict=True)
    ]


def _width(added: list[LoraLinear | None]) -> int:
    """Columns of the narrow rows of all additions."""
    return sum(each.lora_A.out_features for each in added if each)


def _across(left_MN: Tensor, right_MK: Tensor, scale: float = 1.0) -> Tensor:
    """(N, K) sum over rows, in float32 or better."""
    out = torch.empty(left_MN.shape[1], right_MK.shape[1], dtype=_wide(left_MN), device=left_MN.device)
    products.multiply_across(left_MN, right_MK, out, scale=scale)
    return out


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
