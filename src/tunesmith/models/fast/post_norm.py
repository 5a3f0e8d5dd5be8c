"""What a layer is made of that reads both ways and norms after adding, found by its parts and never by its name.

The family of BERT: attention, what it says added to what came in, a layer norm; two products with an activation between
them, added, and a layer norm again. Known variants: one product for q, k and v, no biases, low-rank additions. What is
found here is a conjecture; `trial.py` proves it before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...kernels import gate
from ...kernels.rule import Rule
from ..adapters.lora import LoraLinear
from .linears import Linears
from .structure import Unknown, facts, refuse_dropout


@dataclass(frozen=True, eq=False)
class PostNorm:
    """A layer of BERT's family. heads, width: of the attention, in heads and numbers a head."""

    inputs: Linears
    heads: int
    width: int
    rule: Rule
    output: Linears
    after_attention: nn.LayerNorm
    up: Linears
    kind: gate.Kind
    down: Linears
    after_feed: nn.LayerNorm
    facts: tuple[object, ...]

    @property
    def linears(self) -> tuple[Linears, ...]:
        """All of them, in the order in which rows meet them."""
        return self.inputs, self.output, self.up, self.down

    @property
    def norms(self) -> tuple[nn.LayerNorm, nn.LayerNorm]:
        """Both, likewise."""
        return self.after_attention, self.after_feed

    def learning(self) -> tuple[Tensor, ...]:
        """Every weight of it that learns, in a fixed order."""
        linears = [weight for each in self.linears for weight in each.learning()]
        norms = [weight for norm in self.norms for weight in (norm.weight, norm.bias)]
        return (*linears, *(weight for weight in norms if weight.requires_grad))

    @property
    def kept_numbers(self) -> int:
        """About how many numbers of a row the backward pass needs."""
        masks = sum(layer.in_features for each in self.linears for layer in each.layers
                    if isinstance(layer, LoraLinear) and layer.dropout)  # of a byte each
        return 4 * self.inputs.inputs + self.inputs.outputs + self.output.inputs + self.up.outputs + masks // 2

    @property
    def signature(self) -> tuple[object, ...]:
        """What two layers have in common whose proof is one and the same."""
        shapes = tuple((layer.in_features, layer.out_features, layer.bias is not None)
                       for each in self.linears for layer in each.layers)
        return shapes, self.norms[0].eps, self.norms[1].eps, self.heads, self.width, self.rule, self.kind, self.facts


def find(layer: nn.Module, rule: Rule, heads: tuple[int, int, int]) -> PostNorm:
    """The layer that a module seems to be; rule, heads (query, key, width): as its attention was seen to be called.

    Raises Unknown, with the reason.
    """
    refuse_dropout(layer)
    parts = list(_parts(layer))
    *inputs, output, up, down = _linears(parts)
    norms = [part for part in parts if isinstance(part, nn.LayerNorm)]
    if len(norms) != 2 or any(norm.weight is None or norm.bias is None for norm in norms):
        raise Unknown("it has no two layer norms with weights and biases")
    found = PostNorm(
        inputs=Linears(tuple(inputs)), heads=heads[0], width=heads[2], rule=rule, output=Linears((output,)),
        after_attention=norms[0], up=Linears((up,)), kind=_kind(parts), down=Linears((down,)), after_feed=norms[1],
        facts=facts(layer),
    )
    _refuse_strange_sizes(found, heads)
    _refuse_leftovers(layer, found)
    return found


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """The modules without modules in them, in order; a low-rank addition belongs to its layer."""
    for child in module.children():
        if isinstance(child, LoraLinear) or not list(child.children()):
            yield child
        else:
            yield from _parts(child)


def _linears(parts: list[nn.Module]) -> list[nn.Linear]:
    """Those for q, k, v (or one for all three), the answer, up and down."""
    found = [part for part in parts if type(part) in (nn.Linear, LoraLinear)]
    if len(found) not in (4, 6):
        raise Unknown(f"it has {len(found)} linear layers, and not those of attention and a plain feed-forward")
    return found  # type: ignore[return-value]


def _kind(parts: list[nn.Module]) -> gate.Kind:
    """The name of the activation, found by asking it."""
    known = (nn.Linear, nn.LayerNorm, nn.Dropout)
    others = [part for part in parts if not isinstance(part, known)]
    if len(others) != 1:
        raise Unknown("its feed-forward has no activation of its own")
    asked = torch.linspace(-6, 6, 97, dtype=torch.float64)
    answer: Tensor = others[0](asked)
    for kind, function in gate.ACTIVATIONS.items():
        if torch.allclose(answer, function(asked), rtol=0, atol=1e-7):
            return kind
    raise Unknown(f"its activation {type(others[0]).__name__} is not known")


def _refuse_strange_sizes(found: PostNorm, heads: tuple[int, int, int]) -> None:
    columns, hidden = found.heads * found.width, found.inputs.inputs
    if heads[0] != heads[1] or found.inputs.outputs != 3 * columns or found.output.inputs != columns:
        raise Unknown("its attention has parts of an unknown shape")
    if any(layer.in_features != hidden for layer in found.inputs.layers) or (
            found.output.outputs, found.up.inputs, found.down.inputs, found.down.outputs
    ) != (hidden, hidden, found.up.outputs, hidden):
        raise Unknown("its feed-forward is not two products one after the other")


def _refuse_leftovers(layer: nn.Module, found: PostNorm) -> None:
    """Raise Unknown where the layer holds a weight that is not used."""
    used = {id(weight) for norm in found.norms for weight in norm.parameters()}
    used |= {id(weight) for each in found.linears for linear in each.layers for weight in linear.parameters()}
    for name, weight in layer.named_parameters():
        if id(weight) not in used:
            raise Unknown(f"it also has `{name}`")
