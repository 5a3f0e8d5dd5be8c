"""What stands between the two products of a feed-forward layer, forward and backward.

Either the gated product, `activation(gate) * up`, or the activation alone.

Letters: M rows, I width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from . import build

Kind = Literal["silu", "gelu", "gelu_tanh"]
ACTIVATIONS: dict[Kind, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": functools.partial(functional.gelu, approximate="tanh"),
}
SLOPES: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    "silu": torch.ops.aten.silu_backward,
    "gelu": torch.ops.aten.gelu_backward,
    "gelu_tanh": functools.partial(torch.ops.aten.gelu_backward, approximate="tanh"),
}


def gated(gate_MI: Tensor, up_MI: Tensor, kind: Kind, out_MI: Tensor) -> None:
    """Write `activation(gate) * up` to `out`, rounded once. gate and up may be columns of one buffer.

    Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 5; gelu_tanh is the approximation of Hendrycks and
    Gimpel 2016, section 2.
    """
    (_gated_natively if _native(gate_MI, up_MI, out_MI) else _gated)(gate_MI, up_MI, kind, out_MI)


def gated_backward(given_MI: Tensor, gate_MI: Tensor, up_MI: Tensor, kind: Kind, act_MI: Tensor) -> None:
    """From the gradient of the product: its gradients of gate and up, each written over its own tensor.

    The product itself is made once more, into `act`, which may be `given`.
    """
    backward = _backward_natively if _native(given_MI, gate_MI, up_MI, act_MI) else _backward
    backward(given_MI, gate_MI, up_MI, kind, act_MI)


def active(x_MI: Tensor, kind: Kind, out_MI: Tensor) -> None:
    """Write the activation of x to `out`, rounded once."""
    if _native(x_MI, out_MI):
        _run(f"active_{kind}", x_MI, out_MI)
    else:
        out_MI.copy_(ACTIVATIONS[kind](_wide(x_MI)))


def active_backward(given_MI: Tensor, x_MI: Tensor, kind: Kind, act_MI: Tensor) -> None:
    """From the gradient of the activation: the gradient of x, written over x. The activation is made again, into `act`.

    act may be `given`. Its naive twin is autograd's way through `ACTIVATIONS`.
    """
    if _native(given_MI, x_MI, act_MI):
        _run(f"active_backward_{kind}", given_MI, x_MI, act_MI)
        return
    wide = _wide(x_MI)
    d_x = SLOPES[kind](_wide(given_MI), wide)
    act_MI.copy_(ACTIVATIONS[kind](wide))
    x_MI.copy_(d_x)


def naive_gated(gate_MI: Tensor, up_MI: Tensor, kind: Kind) -> Tensor:
    """What `gated` computes, for autograd: its oracle in tests."""
    return ACTIVATIONS[kind](gate_MI) * up_MI


def _gated(gate: Tensor, up: Tensor, kind: Kind, out: Tensor) -> None:
    out.copy_(ACTIVATIONS[kind](_wide(gate)) * _wide(up))


def _backward(given: Tensor, gate: Tensor, up: Tensor, kind: Kind, act: Tensor) -> None:
    wide, wide_gate, wide_up = _wide(given), _wide(gate), _wide(up)
    active = ACTIVATIONS[kind](wide_gate)
    d_gate, d_up = SLOPES[kind](wide * wide_up, wide_gate), wide * active
    act.copy_(active * wide_up)
    gate.copy_(d_gate)
    up.copy_(d_up)


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _native(*tensors: Tensor) -> bool:
    return build.serves(*tensors) and all(each.dtype == tensors[0].dtype for each in tensors)


def _gated_natively(gate: Tensor, up: Tensor, kind: Kind, out: Tensor) -> None:
    _run(f"gated_{kind}", gate, up, out)


def _backward_natively(given: Tensor, gate: Tensor, up: Tensor, kind: Kind, act: Tensor) -> None:
    _run(f"gated_backward_{kind}", given, gate, up, act)


def _run(name: str, *tensors: Tensor) -> None:
    run = _function(name, tensors[0].dtype, len(tensors))
    run(*(number for each in tensors for number in (each.data_ptr(), each.stride(0))), *tensors[0].shape)


@functools.cache
def _function(name: str, dtype: torch.dtype, tensors: int) -> Callable[..., None]:
    """It takes each tensor's address and row stride, then the two sizes."""
    types = (build.POINTER, build.WHOLE) * tensors
    run = build.function(f"{name}_{build.SUFFIXES[dtype]}", *types, build.WHOLE, build.WHOLE)
    assert run is not None
    return run
