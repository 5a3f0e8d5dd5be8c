"""Smaller networks: heads, rows of the MLP and layers taken out, and the configuration that says the new sizes.

A head's group is what shares one key and value; what it can add is bounded by the size of its values times that of its
output, a row's by the sizes of what leads into it times what leads out. The least are taken, in every layer as many,
because a configuration has one number for all. Magnitude as a measure: Li 2017, "Pruning Filters for Efficient
ConvNets", arXiv:1608.08710; the product, since scaling one up and the other down changes nothing that is said.

Letters: G groups, R rows of an MLP.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from ..errors import Misuse

EVEN: Final = 32  # rows are left in such portions where there are many: products and 8-bit blocks want them
WHERE: Final = "command line: "


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a family keeps, in each layer, what can be taken out; `into` and `out` are linear layers of the MLP.

    attention: query, key, value and output, or none where the configuration cannot say that there are fewer heads.
    """

    attention: tuple[str, ...]
    into: tuple[str, ...]
    out: str


FAMILIES: Final = (
    Parts(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
          ("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),
    Parts((), ("intermediate.dense",), "output.dense"),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many groups of heads, rows of an MLP and layers are left, of how many; per_group: heads that share a key."""

    groups: tuple[int, int]
    rows: tuple[int, int]
    layers: tuple[int, int]
    per_group: int


def stack(network: Any) -> tuple[str, nn.ModuleList]:
    """The layers of a network, and the name of their list. Raises Misuse where they do not stand in one list."""
    field = network.config.attribute_map.get("num_hidden_layers", "num_hidden_layers")  # GPT-2 has another name for it
    wanted = network.config.to_dict().get(field)
    found = [(name, module) for name, module in network.named_modules()
             if isinstance(module, nn.ModuleList) and len(module) == wanted]
    if len(found) != 1:
        raise Misuse("export.not_prunable", f"`{network.config.model_type}` does not keep its layers in one list", "",
                     "use `tunesmith export RUN quantized`, or a base such as Llama, Qwen or BERT")
    return found[0]


def sizes(network: Any, heads: float, mlp: float, layers: int) -> Sizes:
    """What will be left, from shares of groups and rows and a number of layers. Raises Misuse where it cannot be."""
    config = network.config.to_dict()
    whole, parts = len(stack(network)[1]), _parts(network)
    if not (heads or mlp or layers):
        raise Misuse("export.nothing_pruned", "nothing is to be taken out", f"{WHERE}heads, mlp, layers",
                     "set at least one of `heads=0.25`, `mlp=0.2` or `layers=2`")
    if layers >= whole:
        raise Misuse("export.too_many_layers", f"{layers} layers are to be taken out, and the network has {whole}",
                     f"{WHERE}layers", f"set `layers` to {max(1, whole // 8)} or so")
    if (heads or mlp) and parts is None:
        raise _unknown(network, "heads or mlp")
    if heads and parts is not None and not parts.attention:
        raise _unknown(network, "heads")
    total = config.get("num_key_value_heads") or config.get("num_attention_heads") or 1
    rows = config.get("intermediate_size") or 1
    left = _left(rows, mlp, EVEN if rows % EVEN == 0 and rows >= EVEN * EVEN else 1), _left(total, heads, 1)
    for name, share, was, now in (("mlp", mlp, rows, left[0]), ("heads", heads, total, left[1])):
        if share and now == was:
            raise Misuse("export.nothing_pruned", f"`{name}={share:g}` of {was} is less than can be taken out",
                         f"{WHERE}{name}", "raise it")
    return Sizes((left[1], total), (left[0], rows), (whole - layers, whole),
                 (config.get("num_attention_heads") or total) // total)


def _left(whole: int, share: float, even: int) -> int:
    """What is left when a share goes: at least one portion, rounded up to whole portions."""
    kept = round(whole * (1 - share))
    return max(even, -(-kept // even) * even)


def _unknown(network: Any, options: str) -> Misuse:
    return Misuse("export.not_prunable", f"`{network.config.model_type}` has no place in its configuration for fewer "
                  f"{'heads' if options == 'heads' else 'heads or rows'}, or keeps them otherwise than Llama or BERT",
                  f"{WHERE}{options}", "take out layers, with `layers=2`, or use `tunesmith export RUN quantized`")


def _parts(network: Any) -> Parts | None:
    """The family whose parts every layer has, and no numbers of a head or a row beside them."""
    layers = stack(network)[1]
    for family in FAMILIES:
        named = (*family.attention, *family.into, family.out)
        if all(_has(layer, named) for layer in layers):
            return family
    return None


def _has(layer: nn.Module, named: Sequence[str]) -> bool:
    """Whether a layer has these as linear layers, and beside them only attention of its own and norms."""
    inside = dict(layer.named_modules())
    others = {name for name, module in inside.items() if isinstance(module, nn.Linear)} - set(named)
    loose = {name.rpartition(".")[0] for name, _ in layer.named_parameters()} - set(named) - others
    return all(isinstance(inside.get(name), nn.Linear) for name in named) and \
        all(re.search(r"norm", name, re.I) for name in loose) and \
        all(name.startswith("attention.") for name in others)


def smaller(network: Any, left: Sizes, dropped: Sequence[int]) -> Any:
    """A network without the layers `dropped`, and without the least heads and rows of those that stay."""
    name, layers = stack(network)
    kept = [number for number in range(len(layers)) if number not in dropped]
    parts = _parts(network)
    state = {key: value.detach() for key, value in network.state_dict().items()}
    found: dict[str, Tensor] = {key: value for key, value in state.items() if not key.startswith(f"{name}.")}
    with torch.no_grad():
        for place, number in enumerate(kept):
            before = f"{name}.{number}."
            own = {key.removeprefix(before): value for key, value in state.items() if key.startswith(before)}
            if parts is not None:
                own |= _fewer_rows(own, parts, left.rows)
                own |= _fewer_heads(own, parts, left)
            found |= {f"{name}.{place}.{key}": value.contiguous() for key, value in own.items()}
    return rebuilt(network, _configuration(network.config, left, kept), found)


def _fewer_rows(own: Mapping[str, Tensor], parts: Parts, rows: tuple[int, int]) -> dict[str, Tensor]:
    left, whole = rows
    if left == whole:
        return {}
    size_R = own[f"{parts.out}.weight"].double().norm(dim=0)
    for name in parts.into:
        size_R = size_R * _whole_rows(own, name).norm(dim=1)
    kept = _largest(size_R, left)
    return {**_rows_of(own, parts.into, kept),
            f"{parts.out}.weight": own[f"{parts.out}.weight"][:, kept]}


def _whole_rows(own: Mapping[str, Tensor], name: str) -> Tensor:
    """(rows, inputs) of a linear layer, the bias as one more input."""
    weight, bias = own[f"{name}.weight"].double(), own.get(f"{name}.bias")
    return weight if bias is None else torch.cat([weight, bias.double()[:, None]], dim=1)


def _fewer_heads(own: Mapping[str, Tensor], parts: Parts, left: Sizes) -> dict[str, Tensor]:
    now, whole = left.groups
    if now == whole or not parts.attention:
        return {}
    query, key, value, output = parts.attention
    weight = own[f"{output}.weight"]
    into_G = _whole_rows(own, value).reshape(whole, -1).norm(dim=1)
    out_G = weight.double().T.reshape(whole, -1).norm(dim=1)
    kept = _largest(into_G * out_G, now)
    columns = _spread(kept, weight.shape[1] // whole)
    return {**_rows_of(own, (query,), columns),
            **_rows_of(own, (key, value), _spread(kept, own[f"{key}.weight"].shape[0] // whole)),
            f"{output}.weight": weight[:, columns]}


def _largest(size_N: Tensor, left: int) -> Tensor:
    """The places of the largest, in their old order; of equal ones the first stay."""
    return torch.sort(torch.sort(-size_N, stable=True).indices[:left]).values


def _spread(groups: Tensor, width: int) -> Tensor:
    """The rows of groups that have `width` of them each."""
    return (groups[:, None] * width + torch.arange(width)).flatten()


def _rows_of(own: Mapping[str, Tensor], names: Sequence[str], kept: Tensor) -> dict[str, Tensor]:
    return {f"{name}.{kind}": own[f"{name}.{kind}"][kept] for name in names for kind in ("weight", "bias")
            if f"{name}.{kind}" in own}


def _configuration(config: Any, left: Sizes, kept: Sequence[int]) -> Any:
    """The network's configuration with the new sizes, in whatever fields it has for them."""
    found, known = copy.deepcopy(config), config.to_dict()
    for name, value in _changes(known, left, kept):
        setattr(found, name, value)
    return found


def _changes(known: Mapping[str, Any], left: Sizes, kept: Sequence[int]) -> Iterator[tuple[str, Any]]:
    now, whole = left.groups
    yield "num_hidden_layers", len(kept)
    if known.get("layer_types"):
        yield "layer_types", [known["layer_types"][number] for number in kept]
    if left.rows[0] != left.rows[1]:
        yield "intermediate_size", left.rows[0]
    if now != whole:
        yield "head_dim", known.get("head_dim") or known["hidden_size"] // known["num_attention_heads"]
        yield "num_attention_heads", now * left.per_group
        yield "num_key_value_heads", now


def rebuilt(network: Any, config: Any, state: Mapping[str, Tensor]) -> Any:
    """A plain network of transformers with this configuration and these weights, in float32, for use only."""
    made = type(network)(config).to(torch.float32)
    try:
        made.load_state_dict(dict(state))
    except RuntimeError as error:
        raise Misuse("export.not_prunable", f"`{config.model_type}` keeps numbers of a layer elsewhere: "
                     f"{' '.join(str(error).split())[:200]}", "", "use `tunesmith export RUN quantized`") from error
    made.tie_weights()
    return made.eval().requires_grad_(False)
