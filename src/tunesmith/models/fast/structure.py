"""What a decoder layer is made of, found by looking at its parts and never at its name.

The Llama family: a norm, attention with rotary positions, a norm, a gated feed-forward, each added to what came in.
Variants that are known: biases, norms of queries and keys (Qwen3), one layer for q, k, v or gate and up (Phi-3), norms
after attention and feed-forward and weights of 1 + w (Gemma), soft caps, sliding windows, rotary positions over a part
of a head. What is found here is a conjecture; `trial.py` proves it before it is used.
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


class Unknown(Exception):
    """The layer is not of a kind that is known; the message says why, for a person."""


@dataclass(frozen=True, eq=False)
class Norm:
    """A root-mean-square norm; plus_one: its weight is 1 + w."""

    module: nn.Module
    epsilon: float
    plus_one: bool

    @property
    def weight(self) -> nn.Parameter:
        """(H,)."""
        weight: nn.Parameter = self.module.weight  # type: ignore[assignment]
        return weight


@dataclass(frozen=True, eq=False)
class Block:
    """A decoder layer of the Llama family. heads, kv_heads, width: of the attention, in heads and numbers a head."""

    before_attention: Norm
    inputs: Linears
    query_norm: Norm | None
    key_norm: Norm | None
    heads: int
    kv_heads: int
    width: int
    rule: Rule
    rotary: bool
    output: Linears
    after_attention: Norm | None
    before_feed: Norm
    gates: Linears
    gate: gate.Kind
    down: Linears
    after_feed: Norm | None
    facts: tuple[object, ...]

    def norms(self) -> Iterator[Norm]:
        """Those that there are, in the order in which they are met."""
        every = (self.before_attention, self.query_norm, self.key_norm, self.after_attention, self.before_feed,
                 self.after_feed)
        return (norm for norm in every if norm is not None)

    def learning(self) -> tuple[Tensor, ...]:
        """Every weight of it that learns, in a fixed order."""
        linears = [weight for each in (self.inputs, self.output, self.gates, self.down) for weight in each.learning()]
        return (*linears, *(norm.weight for norm in self.norms() if norm.weight.requires_grad))

    @property
    def kept_numbers(self) -> int:
        """About how many numbers of a row the backward pass needs."""
        norms = sum(norm is not None for norm in (self.after_attention, self.after_feed))
        masks = sum(layer.in_features for each in (self.inputs, self.output, self.gates, self.down)
                    for layer in each.layers if isinstance(layer, LoraLinear) and layer.dropout)  # of a byte each
        return ((2 + norms) * self.inputs.inputs + self.inputs.outputs + self.output.inputs + self.gates.outputs
                + masks // 2)

    @property
    def signature(self) -> tuple[object, ...]:
        """What two layers have in common whose proof is one and the same."""
        shapes = tuple(
            (layer.in_features, layer.out_features, layer.bias is not None)
            for each in (self.inputs, self.output, self.gates, self.down) for layer in each.layers
        )
        norms = tuple((norm.epsilon, norm.plus_one) for norm in self.norms())
        return shapes, norms, self.heads, self.kv_heads, self.width, self.rule, self.rotary, self.gate, self.facts


def find(layer: nn.Module, rule: Rule, heads: tuple[int, int, int]) -> Block:
    """The block that a layer seems to be; rule, heads (query, key, width): as its attention was seen to be called.

    Raises Unknown, with the reason.
    """
    refuse_dropout(layer)
    attention, feed = _part(layer, "self_attn"), _part(layer, "mlp")
    before_attention, after_attention, before_feed, after_feed = _norms(layer)
    block = Block(
        before_attention=before_attention, inputs=_together(attention, ("q_proj", "k_proj", "v_proj"), "qkv_proj"),
        query_norm=_optional_norm(attention, "q_norm"), key_norm=_optional_norm(attention, "k_norm"), heads=heads[0],
        kv_heads=heads[1], width=heads[2], rule=rule, rotary=True, output=Linears((_linear(attention, "o_proj"),)),
        after_attention=after_attention, before_feed=before_feed,
        gates=_together(feed, ("gate_proj", "up_proj"), "gate_up_proj"), gate=_gate(feed),
        down=Linears((_linear(feed, "down_proj"),)), after_feed=after_feed, facts=facts(layer),
    )
    _refuse_strange_sizes(block)
    _refuse_leftovers(layer, block)
    return block


def facts(layer: nn.Module) -> tuple[object, ...]:
    """The kinds of the layer's modules and every plain value they hold but its number: one may switch something on."""
    return tuple(
        (name, type(module), key, value)
        for name, module in layer.named_modules()
        for key, value in sorted(vars(module).items())
        if isinstance(value, bool | int | float | str) and key != "layer_idx"
    )


def refuse_dropout(layer: nn.Module) -> None:
    """Raise Unknown where something is drawn at random while training."""
    for name, module in layer.named_modules():
        share = vars(module).get("attention_dropout", 0.0)
        if isinstance(module, nn.Dropout):
            share = module.p
        if isinstance(share, float) and share > 0:
            raise Unknown(f"`{name}` has dropout")


def _part(parent: nn.Module, name: str) -> nn.Module:
    found = _children(parent).get(name)
    if found is None:
        raise Unknown(f"it has no `{name}`")
    return found


def _children(parent: nn.Module) -> dict[str, nn.Module]:
    return dict(parent.named_children())


def _linear(parent: nn.Module, name: str) -> nn.Linear:
    found = _part(parent, name)
    if type(found) not in (nn.Linear, LoraLinear):
        raise Unknown(f"`{name}` is a {type(found).__name__}")
    return found  # type: ignore[return-value]


def _together(parent: nn.Module, apart: tuple[str, ...], fused: str) -> Linears:
    if fused in _children(parent):
        return Linears((_linear(parent, fused),))
    return Linears(tuple(_linear(parent, name) for name in apart))


def _norms(layer: nn.Module) -> tuple[Norm, Norm | None, Norm, Norm | None]:
    """Before and after attention, before and after the feed-forward.

    `post_attention_layernorm` is the one before the feed-forward in Llama, and after the attention in Gemma.
    """
    first = _norm(_part(layer, "input_layernorm"))
    second = _norm(_part(layer, "post_attention_layernorm"))
    if "pre_feedforward_layernorm" not in _children(layer):
        return first, None, second, _optional_norm(layer, "post_feedforward_layernorm")
    return first, second, _norm(_part(layer, "pre_feedforward_layernorm")), _optional_norm(
        layer, "post_feedforward_layernorm")


def _optional_norm(parent: nn.Module, name: str) -> Norm | None:
    found = _children(parent).get(name)
    return None if found is None else _norm(found)


@torch.no_grad()
def _norm(module: nn.Module) -> Norm:
    """The norm that a module computes, found by asking it."""
    epsilon = vars(module).get("variance_epsilon", vars(module).get("eps"))
    weights = dict(module.named_parameters())
    if isinstance(epsilon, float) and set(weights) == {"weight"}:
        weight = weights["weight"]
        asked = torch.linspace(-2, 3, len(weight), dtype=weight.dtype, device=weight.device)[None]
        found = module(asked).float()
        alone = asked.float() * torch.rsqrt(asked.float().pow(2).mean() + epsilon)
        for plus_one in (False, True):
            if torch.allclose(found, alone * (weight.float() + plus_one), rtol=0.02, atol=0.01):
                return Norm(module, epsilon, plus_one)
    raise Unknown(f"{type(module).__name__} is no root-mean-square norm")


def _gate(feed: nn.Module) -> gate.Kind:
    """The name of the activation, found by asking it."""
    module = next((_children(feed)[name] for name in ("act_fn", "activation_fn") if name in _children(feed)), None)
    if module is None:
        raise Unknown("its feed-forward has no activation")
    asked = torch.linspace(-6, 6, 97, dtype=torch.float64)
    answer: Tensor = module(asked)
    for kind, function in gate.ACTIVATIONS.items():
        if torch.allclose(answer, function(asked), rtol=0, atol=1e-7):
            return kind
    raise Unknown(f"its activation {type(module).__name__} is not known")


def _refuse_strange_sizes(block: Block) -> None:
    columns = (block.heads + 2 * block.kv_heads) * block.width
    if block.inputs.outputs != columns or block.output.inputs != block.heads * block.width:
        raise Unknown("its attention has parts of an unknown shape")
    if block.gates.outputs != 2 * block.down.inputs:
        raise Unknown("its feed-forward is not gated")
    for norm in (block.query_norm, block.key_norm):
        if norm is not None and len(norm.weight) != block.width:
            raise Unknown("it norms queries over all heads at once")


def _refuse_leftovers(layer: nn.Module, block: Block) -> None:
    """Raise Unknown where the layer holds a weight that the block does not use."""
    used = {id(norm.weight) for norm in block.norms()}
    for linears in (block.inputs, block.output, block.gates, block.down):
        used |= {id(weight) for each in linears.layers for weight in each.parameters()}
    for name, weight in layer.named_parameters():
        if id(weight) not in used:
            raise Unknown(f"it also has `{name}`")
