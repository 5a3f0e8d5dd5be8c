"""Attention of new tokens to all that came before them in their own sequences, whose keys and values are remembered.

Each sequence has a memory of its own, which grows by itself: sequences of any lengths are read in one flat row, none is
padded, none is copied when another comes or goes, and what one was told another can take over.

Letters: M new rows of all sequences, H query heads, K key/value heads, T tokens of one sequence, D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..errors import Refusal
from . import cached_native
from .attention import CHANGE_SCORES, capped_attention, is_causal
from .rule import Rule

# Room grows by half of what it was, and in steps of so many tokens: a token is moved three times at most, on average
ROOM = 64


@dataclass(eq=False)
class Memory:
    """What a network remembers of one sequence: (K, room, D) keys and values of each layer.

    known: tokens that every layer has remembered; what lies behind them is not to be read.
    """

    known: int = 0
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What it takes, the room that is still free included."""
        return sum(tensor.nbytes for pair in self.layers.values() for tensor in pair)

    def copied(self, tokens: int) -> Memory:
        """Another memory, of the first so many tokens."""
        layers = {layer: (_grown(keys, tokens, tokens), _grown(values, tokens, tokens))
                  for layer, (keys, values) in self.layers.items()}
        return Memory(tokens, layers)

    def remember(self, layer: int, key_KMD: Tensor, value_KMD: Tensor) -> tuple[Tensor, Tensor]:
        """(K, T, D) the keys and values of a layer, those of the new tokens last."""
        first, end = self.known, self.known + key_KMD.shape[1]
        keys, values = self.room(layer, key_KMD, value_KMD)
        keys[:, first:end] = key_KMD
        values[:, first:end] = value_KMD
        return keys[:, :end], values[:, :end]

    def room_for_one(self, layer: int, key_MKD: Tensor, value_MKD: Tensor) -> tuple[Tensor, Tensor]:
        """As `room`, for the next token of rows of which this sequence's may be any."""
        found = self.layers.get(layer)
        if found is not None and found[0].shape[1] > self.known:
            return found
        return self.room(layer, key_MKD[:1].transpose(0, 1), value_MKD[:1].transpose(0, 1))

    def room(self, layer: int, key_KMD: Tensor, value_KMD: Tensor) -> tuple[Tensor, Tensor]:
        """(K, room, D) the keys and values of a layer, with room for new ones behind those that are known."""
        end = self.known + key_KMD.shape[1]
        keys, values = self.layers.get(layer, (key_KMD[:, :0], value_KMD[:, :0]))
        if keys.shape[1] < end:
            keys, values = _grown(keys, self.known, end), _grown(values, self.known, end)
            self.layers[layer] = keys, values
        return keys, values


@dataclass(frozen=True, eq=False)
class Reading:
    """One forward pass over new tokens of several sequences in one flat row.

    borders: (sequences + 1,) first row of each sequence, and M; plain: layers by hand leave it to the network's own.
    """

    memories: Sequence[Memory]
    borders: Sequence[int]
    plain: bool = False

    @property
    def single(self) -> int:
        """How many of the sequences before the first longer one have one new token."""
        lengths = [end - start for start, end in pairwise(self.borders)]
        return next((place for place, length in enumerate(lengths) if length > 1), len(lengths))

    def done(self) -> None:
        """Every layer has remembered the new tokens."""
        for memory, (start, end) in zip(self.memories, pairwise(self.borders), strict=True):
            memory.known += end - start


def forward(
    layer: int, query_MHD: Tensor, key_MKD: Tensor, value_MKD: Tensor, reading: Reading, *, rule: Rule, out_MHD: Tensor
) -> None:
    """Fill `out_MHD`: each row attends to all that its own sequence has up to it, as the rule lets it see.

    Sequences of one new token come first.
    """
    parts = query_MHD, key_MKD, value_MKD, out_MHD
    single = reading.single if cached_native.serves(rule, *parts) else 0
    if single:
        memories = reading.memories[:single]
        rooms = [memory.room_for_one(layer, key_MKD, value_MKD) for memory in memories]
        query, key, value, out = (part[:single] for part in parts)
        cached_native.forward((query, key, value, out), rooms, [memory.known for memory in memories], rule)
    rest = zip(reading.memories[single:], pairwise(reading.borders[single:]), strict=True)
    for memory, (start, end) in rest:
        keys, values = memory.remember(layer, *(part[start:end].transpose(0, 1) for part in (key_MKD, value_MKD)))
        query = query_MHD[start:end].transpose(0, 1)
        out_MHD[start:end] = _attend(query, keys, values, rule).transpose(0, 1)


def transformers_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, *, reading: Reading, **options: Any
) -> tuple[Tensor, None]:
    """Answer as transformers' attention interface asks: (1, M, H, D), and no weights.

    Raises Refusal for what would change the scores and is not known here.
    """
    layer = vars(module).get("layer_idx")
    strange = sorted(name for name in CHANGE_SCORES if options.get(name) is not None)
    if strange or not isinstance(layer, int) or not is_causal(module):
        raise Refusal("model.attention", "this base's attention cannot go on from what it remembers here", "",
                      "use another base")
    rule = Rule(options["scaling"], options.get("softcap"), options.get("sliding_window"))
    out = query.new_empty(query.shape[2], query.shape[1], value.shape[3])
    query_MHD, key_MKD, value_MKD = (part[0].transpose(0, 1) for part in (query, key, value))
    forward(layer, query_MHD, key_MKD, value_MKD, reading, rule=rule, out_MHD=out)
    return out[None], None


def _grown(tensor_KTD: Tensor, known: int, wanted: int) -> Tensor:
    """The same tokens with room for `wanted` and some more."""
    room = -(-max(wanted, known + known // 2) // ROOM) * ROOM
    grown = tensor_KTD.new_empty(tensor_KTD.shape[0], room, tensor_KTD.shape[2])
    grown[:, :known] = tensor_KTD[:, :known]
    return grown


def _attend(query_HMD: Tensor, keys_KTD: Tensor, values_KTD: Tensor, rule: Rule) -> Tensor:
    """(H, M, D) for the last M tokens of one sequence."""
    new, known = query_HMD.shape[1], keys_KTD.shape[1]
    if rule.window is not None and known > rule.window + new - 1:
        keys_KTD, values_KTD = (part[:, -(rule.window + new - 1) :] for part in (keys_KTD, values_KTD))
        known = keys_KTD.shape[1]
    seen = None if new == 1 else _seen(new, known, rule, query_HMD.device)
    if rule.softcap is not None:
        mask = torch.ones(1, known, dtype=torch.bool, device=query_HMD.device) if seen is None else seen
        return capped_attention(query_HMD[None], keys_KTD[None], values_KTD[None], mask, rule)[0].transpose(0, 1)
    heads, shared = len(query_HMD), len(query_HMD) // len(keys_KTD)
    if new == 1:  # the heads that share keys as rows of one head: nothing is repeated
        query_HMD = query_HMD.reshape(len(keys_KTD), shared, -1)
    found = torch.nn.functional.scaled_dot_product_attention(
        query_HMD[None], keys_KTD[None], values_KTD[None], attn_mask=seen, scale=rule.scale,
        enable_gqa=new > 1 and shared > 1)[0]
    return found.reshape(heads, new, -1)


def _seen(new: int, known: int, rule: Rule, device: torch.device) -> Tensor:
    """(new, known) which tokens each new one sees."""
    distance = torch.arange(known - new, known, device=device)[:, None] - torch.arange(known, device=device)
    seen = distance >= 0
    return seen if rule.window is None else seen & (distance < rule.window)
