"""Learnt weights, laid from a file into a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..errors import Refusal


def lay_in(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Fill what learns from tensors of the same names. Raises Refusal where names or shapes differ."""
    wrong = sorted(set(wanted) ^ set(tensors)) or [
        name for name, tensor in wanted.items() if tensor.shape != tensors[name].shape
    ]
    if wrong:
        raise Refusal("model.tensors", f"{len(wrong)} learnt weights do not fit this base, `{wrong[0]}` first", "",
                      "use the base and the adapter that the weights were learnt with")
    for name, tensor in wanted.items():
        tensor.copy_(tensors[name])
