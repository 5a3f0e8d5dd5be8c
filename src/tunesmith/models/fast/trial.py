"""The proof that a layer is what it seems to be: its own answers and gradients against those made by hand.

A network is shown two short documents; what each layer's attention is then called with says how its scores become
weights. A copy of each kind of layer, in float32, is asked for its answer and its gradient in both ways.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import is_spent
from ...kernels import attention
from ...kernels.rule import Rule
from . import post_norm
from .block import Around
from .buffers import Buffers
from .node import Call, answer
from .post_norm import PostNorm
from .structure import Block, Unknown, find

BORDERS = (0, 5, 12)
# Largest difference, as a share of the largest number: layers cast to float32 here and there, and sum in other orders
ALLOWED = 2e-5


@dataclass(eq=False)
class Seen:
    """What a layer was called with beside its rows. heads: of queries, of keys, and their width."""

    given: tuple[Any, ...]
    named: dict[str, Any]
    rule: Rule | None = None
    heads: tuple[int, int, int] = (0, 0, 0)


def watch(network: Any, layers: Sequence[nn.Module]) -> dict[int, Seen]:
    """Show the network two short documents, and note what each layer and its attention are called with.

    Empty where the network cannot take them, or has other attention than ours.
    """
    if network.config._attn_implementation != attention.NAME:
        return {}
    seen: dict[int, Seen] = {}
    handles = [
        layer.register_forward_pre_hook(partial(_note, seen, number), with_kwargs=True)
        for number, layer in enumerate(layers)
    ]
    try:
        with _recorded(seen), torch.no_grad():
            _show(network)
    except Exception as error:
        if is_spent(error):  # a resume with more memory would compute these layers in another way
            raise
        return {}  # whatever it is, the general path will meet it and tell
    finally:
        for handle in handles:
            handle.remove()
    return seen


def prove(layer: nn.Module, seen: Seen | None, proved: dict[tuple[object, ...], bool]) -> Block | PostNorm:
    """The block that a layer is proved to be; `proved` remembers what was asked before. Raises Unknown."""
    if seen is None or seen.rule is None:
        raise Unknown("its attention is not called in a way that is known")
    for block in _conjectures(layer, seen.rule, seen.heads):
        if block.signature not in proved:
            proved[block.signature] = _same(layer, block, seen)
        if proved[block.signature]:
            return block
    raise Unknown("it computes something else than its parts suggest")


def _conjectures(layer: nn.Module, rule: Rule, heads: tuple[int, int, int]) -> Iterator[Block | PostNorm]:
    """What a layer may be, likelier first. Raises Unknown where its parts are not those of anything known."""
    if not rule.causal:
        yield post_norm.find(layer, rule, heads)
        return
    found = find(layer, rule, heads)
    yield from (replace(found, rotary=rotary) for rotary in (True, False))


def _show(network: Any) -> None:
    device = network.device
    positions = torch.cat([torch.arange(end - start, device=device) for start, end in pairwise(BORDERS)])
    ids = (torch.arange(BORDERS[-1], device=device) * 7919 + 11) % network.get_input_embeddings().num_embeddings
    network.base_model(
        input_ids=ids[None], position_ids=positions[None], attention_mask=torch.empty(0, 0, 0, 0, device=device),
        use_cache=False, borders=BORDERS,
    )


def _note(seen: dict[int, Seen], number: int, _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    seen[number] = Seen(given[1:], named)


@contextmanager
def _recorded(seen: dict[int, Seen]) -> Iterator[None]:
    """Note the rule of every call to attention, for the layer that was entered last."""
    from transformers import AttentionInterface

    interface = AttentionInterface()
    own: Callable[..., Any] = interface[attention.NAME]

    def noted(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any) -> Any:
        last = seen[max(seen)]
        last.rule = _rule(module, options)
        last.heads = (query.shape[1], key.shape[1], query.shape[3])
        return own(module, query, key, value, mask, **options)

    AttentionInterface.register(attention.NAME, noted)
    try:
        yield
    finally:
        AttentionInterface.register(attention.NAME, own)


def _rule(module: nn.Module, options: Mapping[str, Any]) -> Rule | None:
    """How an attention that is called so makes weights of scores; None where it uses something unknown."""
    if any(options.get(name) is not None for name in attention.CHANGE_SCORES) or options.get("scaling") is None:
        return None
    return Rule(scale=options["scaling"], softcap=options.get("softcap"), window=options.get("sliding_window"),
                causal=attention.is_causal(module))


def _same(layer: nn.Module, block: Block | PostNorm, seen: Seen) -> bool:
    """Whether a copy of the layer answers, and sends gradients, as the block made of it does."""
    exact = copy.deepcopy(layer)
    exact = exact.double() if _dtype(layer) == torch.float64 else exact.float()
    exact.requires_grad_(False)
    ours = next(each for each in _conjectures(exact, block.rule, seen.heads) if each.signature == block.signature)
    angles, named = _angles(seen.named, _dtype(exact))
    width, device = block.inputs.inputs, next(exact.parameters()).device
    generator = torch.Generator().manual_seed(0)
    rows, given = torch.randn(2, BORDERS[-1], width, generator=generator, dtype=_dtype(exact)).to(device)
    its = _asked(lambda x: exact(x[None], *seen.given, **named)[0], rows, given)
    by_hand = _asked(lambda x: answer(Call(ours, Around(BORDERS, angles=angles), Buffers()), x), rows, given)
    return all(_close(one, other) for one, other in zip(its, by_hand, strict=True))


def _angles(
    named: dict[str, Any], dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor] | None, dict[str, Any]]:
    """Rotary positions as a block by hand takes them, and what a layer is called with, both as exact as the trial."""
    if named.get("position_embeddings") is None:
        return None, named
    cos, sin = (each.to(dtype) for each in named["position_embeddings"])
    return (cos[0], sin[0]), {**named, "position_embeddings": (cos, sin)}


def _asked(function: Callable[[Tensor], Any], rows: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """The answer of a function of rows, and the gradient that it sends back."""
    x = rows.clone().requires_grad_()
    with torch.enable_grad():
        found = function(x)
        found = found[0] if isinstance(found, tuple) else found
        (gradient,) = torch.autograd.grad(found.reshape(given.shape), x, given)
    return found.detach().reshape(given.shape), gradient


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= ALLOWED * (1 + other.abs().max()))


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
