"""AdamW's step over many tensors in one pass over their memory, and the length of their gradients in another.

With torch's own, dividing the gradients, their length, clipping, the step and the copies in lower precision are passes
of their own over all that learns, and hundreds of small tensors cost hundreds of calls in each.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import build
from .build import POINTER, REAL, WHOLE

_TYPES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "squares_f32": ((WHOLE, *[POINTER] * 2), REAL),
    "adamw_f32": ((WHOLE, *[POINTER] * 7, *[REAL] * 6), None),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers of one step. `scale` multiplies the gradients first; `decay` pulls by its share of the rate."""

    scale: float
    rate: float
    beta1: float
    beta2: float
    epsilon: float
    decay: float


@dataclass(frozen=True, slots=True)
class Tensors:
    """Of each parameter: itself, its gradient, the two running means and the count of steps that torch keeps too.

    copies: for each the weight that computes in bfloat16, which takes the new numbers; empty where there are none.
    """

    parameters: Sequence[Tensor]
    gradients: Sequence[Tensor]
    means: Sequence[Tensor]
    squares: Sequence[Tensor]
    steps: Sequence[Tensor]
    copies: Sequence[Tensor] = ()


def length(gradients: list[Tensor]) -> Tensor:
    """The Euclidean norm of all numbers together, (), the same for any number of threads where our kernels serve.

    A sparse gradient is coalesced.
    """
    gradients = [gradient.values() if gradient.is_sparse else gradient for gradient in gradients]
    if _served(torch.float32, gradients):
        squares: float = _function("squares_f32")(*_sizes(gradients), _addresses(gradients))
        return torch.tensor(squares, dtype=torch.float64).sqrt()
    total: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return total


def serves(tensors: Tensors) -> bool:
    """Whether `step` takes these: contiguous on the processor, float32 with copies in bfloat16; and it is there."""
    wide = (tensors.parameters, tensors.gradients, tensors.means, tensors.squares, tensors.steps)
    return all(_served(torch.float32, each) for each in wide) and _served(torch.bfloat16, tensors.copies)


def step(tensors: Tensors, rule: Rule) -> None:
    """Take the step that torch's fused AdamW takes on `scale` times the gradients, which stay as they are.

    Only for what it `serves`; its twin is torch's. Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay
    Regularization", algorithm 2.
    """
    _function("adamw_f32")(
        *_sizes(tensors.parameters), _addresses(tensors.parameters), _addresses(tensors.gradients),
        _addresses(tensors.means), _addresses(tensors.squares), _addresses(tensors.steps),
        _addresses(tensors.copies) if tensors.copies else None,
        rule.scale, rule.rate, rule.beta1, rule.beta2, rule.epsilon, rule.decay,
    )
    torch.autograd.graph.increment_version([*tensors.parameters, *tensors.copies])


def _served(dtype: torch.dtype, tensors: Sequence[Tensor]) -> bool:
    return build.library() is not None and all(
        each.dtype == dtype and each.is_cpu and each.is_contiguous() for each in tensors)


def _sizes(tensors: Sequence[Tensor]) -> tuple[int, Any]:
    return len(tensors), (ctypes.c_int64 * len(tensors))(*(each.numel() for each in tensors))


def _addresses(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(each.data_ptr() for each in tensors))


@functools.cache
def _function(name: str) -> Callable[..., Any]:
    types, result = _TYPES[name]
    run = build.function(name, *types, restype=result)
    assert run is not None
    return run
