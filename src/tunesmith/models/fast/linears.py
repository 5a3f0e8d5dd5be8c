"""Linear layers that read the same rows, and their low-rank additions, forward and backward by hand.

Letters: M rows, K inputs, N outputs of one layer, R width of its low-rank addition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...kernels import products
from ..adapters.lora import LoraLinear
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
            matrix = products.Matrix(layer.weight, frozen=not layer.weight.requires_grad)
            self._matrices[layer] = (layer.weight, layer.weight._version, matrix)
        return matrix

    def added(self) -> list[LoraLinear | None]:
        """For each layer itself, if it has a low-rank addition that is on."""
        return [layer if isinstance(layer, LoraLinear) and layer.active else None for layer in self.layers]

    def columns(self, rows_MN: Tensor) -> tuple[Tensor, ...]:
        """Each layer's part of a buffer that holds all outputs."""
        return torch.split(rows_MN, [layer.out_features for layer in self.layers], dim=1)


def forward(linears: Linears, rows_MK: Tensor, out_MN: Tensor, buffers: Buffers) -> Tensor | None:
    """Fill `out` with W x + b + scale B A x of every layer; returns the narrow rows A x, which backward needs."""
    added = linears.added()
    narrow = _narrow(rows_MK, added, buffers)
    for layer, out, low in zip(linears.layers, linears.columns(out_MN), _lows(narrow, added), strict=True):
        products.multiply(rows_MK, linears.matrix(layer), out, bias_N=layer.bias, low=low)
    return narrow


def backward(
    linears: Linears, given_MN: Tensor, narrow_MR: Tensor | None, buffers: Buffers, *, out_MK: Tensor | None
) -> Tensor | None:
    """Write the gradient of the rows to `out`, if it is wanted; returns the gradient of the narrow rows."""
    added = linears.added()
    parts = linears.columns(given_MN)
    d_narrow = None
    if narrow_MR is not None:
        d_narrow = buffers.take(len(given_MN), narrow_MR.shape[1], narrow_MR)
        for given, _, (d_low, wide) in _with_low(parts, added, d_narrow):
            products.multiply_back(given, products.Matrix(wide, frozen=False), d_low)
    if out_MK is not None:
        lows: list[tuple[Tensor, Tensor] | None] = [None] * len(parts)
        if d_narrow is not None:
            lows[0] = (d_narrow, _downs(added))
        for number, (layer, given) in enumerate(zip(linears.layers, parts, strict=True)):
            products.multiply_back(given, linears.matrix(layer), out_MK, add=number > 0, low=lows[number])
    return d_narrow


def gradients(
    linears: Linears, rows_MK: Tensor | None, given_MN: Tensor, narrow_MR: Tensor | None, d_narrow_MR: Tensor | None
) -> Gradients:
    """The gradient of every weight that learns. rows: what the layers read; None where no weight needs it."""
    found: Gradients = {}
    parts = linears.columns(given_MN)
    for layer, given in zip(linears.layers, parts, strict=True):
        if layer.weight.requires_grad and rows_MK is not None:
            found[layer.weight] = _across(given, rows_MK)
        if layer.bias is not None and layer.bias.requires_grad:
            found[layer.bias] = torch.sum(given, 0, dtype=_wide(given))
    if narrow_MR is None or d_narrow_MR is None or rows_MK is None:
        return found
    added = linears.added()
    widths = [each.lora_A.out_features for each in added if each]
    downs = iter(torch.split(_across(d_narrow_MR, rows_MK), widths))
    for given, each, (narrow, _) in _with_low(parts, added, narrow_MR):
        found[each.lora_A.weight] = next(downs)
        found[each.lora_B.weight] = _across(given, narrow, scale=each.scale)
    return {weight: gradient for weight, gradient in found.items() if weight.requires_grad}


def reads_rows(linears: Linears) -> bool:
    """Whether a weight's gradient needs the rows that were read."""
    return any(layer.weight.requires_grad for layer in linears.layers) or any(linears.added())


def _narrow(rows: Tensor, added: list[LoraLinear | None], buffers: Buffers) -> Tensor | None:
    """(M, R of all) what every addition's A makes of the rows, in one product."""
    if not any(added):
        return None
    downs = _downs(added)
    narrow = buffers.take(len(rows), len(downs), rows)
    products.multiply(rows, products.Matrix(downs, frozen=False), narrow)
    return narrow


def _downs(added: list[LoraLinear | None]) -> Tensor:
    """(R of all, K) the As, one below the other."""
    weights = [each.lora_A.weight for each in added if each]
    return torch.cat(weights) if len(weights) > 1 else weights[0].detach()


def _lows(narrow: Tensor | None, added: list[LoraLinear | None]) -> list[tuple[Tensor, Tensor] | None]:
    """For each layer its narrow rows and its scaled B, or nothing."""
    lows: list[tuple[Tensor, Tensor] | None] = []
    place = 0
    for each in added:
        if each is None or narrow is None:
            lows.append(None)
            continue
        width = each.lora_A.out_features
        lows.append((narrow[:, place:place + width], each.lora_B.weight.detach() * each.scale))
        place += width
    return lows


def _with_low(
    parts: tuple[Tensor, ...], added: list[LoraLinear | None], narrow: Tensor
) -> Iterator[tuple[Tensor, LoraLinear, tuple[Tensor, Tensor]]]:
    """The layers that have an addition: their part of the outputs, themselves, narrow rows and scaled B."""
    for given, each, low in zip(parts, added, _lows(narrow, added), strict=True):
        if each is not None and low is not None:
            yield given, each, low


def _across(left_MN: Tensor, right_MK: Tensor, scale: float = 1.0) -> Tensor:
    """(N, K) sum over rows, in float32 or better."""
    out = torch.empty(left_MN.shape[1], right_MK.shape[1], dtype=_wide(left_MN), device=left_MN.device)
    products.multiply_across(left_MN, right_MK, out, scale=scale)
    return out


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
