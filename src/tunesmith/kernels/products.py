"""The products that training is made of, written into buffers that the caller owns.

`out=` everywhere, a low-rank addition folded into the product that it belongs to, and gradients of weights in float32.
Each is counted while someone counts. bfloat16 products run on our own AMX tiles where `build.tiles()`, which rounds the
whole sum once; everything else is torch's.

Letters: M rows, N and K the two widths of a weight (N, K), R the rank of a low-rank addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from . import build
from .build import POINTER, REAL, WHOLE, pointer

Low = tuple[Tensor, Tensor]
MOST_RANK = 2048  # of a low-rank addition on the tiles
MATRIX = (POINTER, WHOLE)  # an address, and how many numbers lie between its rows
MULTIPLY = (*MATRIX, WHOLE, *MATRIX, WHOLE, WHOLE, WHOLE, POINTER, *MATRIX, *MATRIX, *MATRIX, WHOLE, POINTER, *MATRIX,
            WHOLE, WHOLE)
ACROSS = (*MATRIX, WHOLE, *MATRIX, WHOLE, WHOLE, *MATRIX, WHOLE, WHOLE, REAL)


@dataclass(slots=True)
class Counts:
    """Products done and their floating-point operations: 2 m n k each, low-rank additions included."""

    calls: int = 0
    flops: int = 0


_counting: list[Counts] = []


class Matrix:
    """A weight (N, K) to multiply by. frozen: its numbers stay as they are for as long as this object is used.

    For the tiles, a frozen weight is laid out once for each direction, when that is first asked for, and the copy is
    kept: its own size again. One that learns is laid out in every product, which costs about a tenth of its speed.
    """

    __slots__ = ("__weakref__", "_packed", "frozen", "weight_NK")

    def __init__(self, weight_NK: Tensor, *, frozen: bool) -> None:
        self.weight_NK = weight_NK.detach()
        self.frozen = frozen
        self._packed: dict[bool, Tensor] = {}

    def packed(self, back: bool) -> Tensor | None:
        """The weight as the tiles read it, for `multiply` or `multiply_back`; None where it learns."""
        if not self.frozen:
            return None
        if back not in self._packed:
            self._packed[back] = _packed(self.weight_NK, back)
        return self._packed[back]


_laid_out: WeakValueDictionary[tuple[object, ...], Matrix] = WeakValueDictionary()


def laid_out(weight_NK: Tensor) -> Matrix:
    """A frozen weight to multiply by: one for all that read the same memory, whose copy for the tiles is made once."""
    key = (weight_NK.device, weight_NK.data_ptr(), weight_NK.shape, weight_NK.stride(), weight_NK.dtype,
           weight_NK._version)
    found = _laid_out.get(key)  # while it is there it holds the memory, so nothing else can have that address
    if found is None:
        found = _laid_out[key] = Matrix(weight_NK, frozen=True)
    return found


@contextmanager
def counted() -> Iterator[Counts]:
    """Count the products done inside, also by other threads."""
    counts = Counts()
    _counting.append(counts)
    try:
        yield counts
    finally:
        _counting.remove(counts)


def multiply(
    x_MK: Tensor, matrix: Matrix, out_MN: Tensor, *, bias_N: Tensor | None = None, low: Low | None = None,
    through_RK: Tensor | None = None,
) -> None:
    """Make out = x W^T + bias + narrow wide^T, with low = (narrow (M, R), wide (N, R)).

    Given `through`, narrow is made as well, as x through^T, while x is at hand: both factors of a LoRA in one pass.
    All tensors share a dtype; rows may lie apart, numbers of one row may not.
    """
    _count(x_MK.shape[0], matrix.weight_NK, *(low or ())[1:], through_RK)
    if _tiles_serve(x_MK, matrix.weight_NK, bias_N, through_RK, out=out_MN, low=low):
        _multiply_on_tiles(x_MK, matrix, out_MN, back=False, bias=bias_N, low=low, through=through_RK)
        return
    if low is not None and through_RK is not None:
        torch.mm(x_MK, through_RK.t(), out=low[0])
    wide_KN = matrix.weight_NK.t()
    if bias_N is None:
        torch.mm(x_MK, wide_KN, out=out_MN)
    else:
        torch.addmm(bias_N, x_MK, wide_KN, out=out_MN)
    if low is not None:
        out_MN.addmm_(low[0], low[1].t())


def multiply_back(
    given_MN: Tensor, matrix: Matrix, out_MK: Tensor, *, add: bool = False, low: Low | None = None,
    through_NR: Tensor | None = None,
) -> None:
    """Make out (+)= given W + narrow wide, with low = (narrow (M, R), wide (R, K)): the gradient of `multiply`'s x.

    Given `through`, narrow is made as well, as given through, while the rows are at hand.
    """
    _count(given_MN.shape[0], matrix.weight_NK, *(low or ())[1:], through_NR)
    if _tiles_serve(given_MN, matrix.weight_NK, through_NR, out=out_MK, low=low):
        _multiply_on_tiles(given_MN, matrix, out_MK, back=True, add=add, low=low, through=through_NR)
        return
    if low is not None and through_NR is not None:
        torch.mm(given_MN, through_NR, out=low[0])
    if add:
        out_MK.addmm_(given_MN, matrix.weight_NK)
    else:
        torch.mm(given_MN, matrix.weight_NK, out=out_MK)
    if low is not None:
        out_MK.addmm_(*low)


def multiply_across(
    left_MN: Tensor, right_MK: Tensor, out_NK: Tensor, *, add: bool = False, scale: float = 1.0
) -> None:
    """Make out (+)= scale left^T right, a sum over the rows: the gradient of a weight.

    left and right share a dtype; out has it too, or is float32 where they are bfloat16.
    """
    _count(left_MN.shape[0], out_NK)
    if _tiles_serve(left_MN, right_MK, out=out_NK):
        _native("multiply_across_bf16", ACROSS)(
            *_matrix(left_MN), left_MN.shape[1], *_matrix(right_MK), right_MK.shape[1], left_MN.shape[0],
            *_matrix(out_NK), out_NK.dtype == torch.float32, add, scale,
        )
    elif out_NK.dtype == left_MN.dtype:
        torch.addmm(out_NK, left_MN.t(), right_MK, beta=float(add), alpha=scale, out=out_NK)
    elif add:
        out_NK.add_(torch.mm(left_MN.t(), right_MK), alpha=scale)
    else:
        torch.mul(torch.mm(left_MN.t(), right_MK), scale, out=out_NK)


def _multiply_on_tiles(
    x: Tensor, matrix: Matrix, out: Tensor, *, back: bool, bias: Tensor | None = None, add: bool = False,
    low: Low | None = None, through: Tensor | None = None,
) -> None:
    weight = matrix.weight_NK
    made = _matrix(through) if through is not None else (None, 0)
    added = (*_matrix(low[0]), *_matrix(low[1]), *made, low[0].shape[1]) if low else (None, 0, None, 0, None, 0, 0)
    _native("multiply_bf16", MULTIPLY)(
        *_matrix(x), x.shape[0], *_matrix(weight), *weight.shape, back, pointer(matrix.packed(back)), *added,
        pointer(bias), *_matrix(out), out.dtype == torch.float32, add,
    )


def _packed(weight_NK: Tensor, back: bool) -> Tensor:
    """Panels of a weight for the tiles."""
    tall, wide = weight_NK.shape
    columns, depth = (wide, tall) if back else (tall, wide)
    packed = torch.empty(_native("packed_numbers", (WHOLE, WHOLE), WHOLE)(columns, depth), dtype=weight_NK.dtype)
    _native("pack_weight", (*MATRIX, WHOLE, WHOLE, WHOLE, POINTER))(
        *_matrix(weight_NK), tall, wide, back, pointer(packed))
    return packed


def _native(name: str, argtypes: tuple[Any, ...], restype: Any = None) -> Callable[..., Any]:
    found = build.function(name, *argtypes, restype=restype)
    assert found is not None, build.reason()
    return found


def _matrix(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.stride(0)


def _tiles_serve(*operands: Tensor | None, out: Tensor, low: Low | None = None) -> bool:
    """Whether our own tiles take these: operands in bfloat16, a result in bfloat16 or float32."""
    operands = (*operands, *(low or ()))
    return build.tiles() and build.serves(out, *operands) and (low is None or low[0].shape[1] <= MOST_RANK) and all(
        each.dtype == torch.bfloat16 for each in operands if each is not None)


def _count(rows: int, *others: Tensor | None) -> None:
    """One call, and its operations: two for every row and number of the other factors."""
    for counts in _counting:
        counts.calls += 1
        counts.flops += 2 * rows * sum(each.numel() for each in others if each is not None)
