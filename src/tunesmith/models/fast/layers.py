"""Give every layer that is known, and proved, a forward pass by hand; the others keep their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path as File
from typing import Any

import torch
from torch import Tensor, nn

from ...kernels import ideas
from . import alone
from .block import Around
from .buffers import Buffers
from .node import Call, answer
from .post_norm import PostNorm
from .structure import Block, Unknown
from .trial import prove, watch

# Where a pass would keep more than this share of the memory that was free, blocks keep their rows alone and are
# computed a second time on the way back: a quarter more work, a tenth of the memory
SHARE_OF_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class Path:
    """How a layer computes: by hand, or by its own forward pass, and why."""

    layer: int
    fast: bool
    reason: str


def install(network: Any) -> Sequence[Path]:
    """Let a network's layers compute by hand where that is proved to give the same; returns each layer's path.

    A layer computes by hand when it is told the documents' `borders`, and as it always did else.
    """
    buffers = Buffers()
    paths = _install_blocks(network, buffers)
    if network.device.type == "cpu":
        alone.install(network, buffers)
    return paths


def _install_blocks(network: Any, buffers: Buffers) -> Sequence[Path]:
    layers = _stack(network.base_model)
    if layers is None:
        return [Path(0, False, "its layers are not where the fast path looks for them")]
    if not ideas.on("block") or network.device.type != "cpu":
        return [Path(number, False, "the fast path is for CPUs") for number in range(len(layers))]
    seen = watch(network, list(layers))
    paths, most = [], free_bytes() * SHARE_OF_MEMORY / len(layers)
    proved: dict[tuple[object, ...], bool] = {}
    for number, layer in enumerate(layers):
        try:
            block = prove(layer, seen.get(number), proved)
        except Unknown as reason:
            paths.append(Path(number, False, str(reason)))
            continue
        rows = int(most / (block.kept_numbers * network.dtype.itemsize))
        use = Use(block, buffers, layer.forward, number, last=number == len(layers) - 1, most_rows=rows)
        layer.forward = partial(_forward, use)
        paths.append(Path(number, True, "of the Llama family" if isinstance(block, Block) else "of BERT's family"))
    return paths


def _stack(under: nn.Module) -> nn.ModuleList | None:
    """The layers of a network, of itself or one part of it."""
    for holder in (under, *under.children()):
        parts = dict(holder.named_children())
        found = parts.get("layers", parts.get("layer"))
        if isinstance(found, nn.ModuleList):
            return found
    return None


def serves_rows(paths: Sequence[Path]) -> bool:
    """Whether the last layer answers only the rows that are wanted."""
    return paths[-1].fast and ideas.on("tail")


@dataclass(frozen=True, eq=False)
class Use:
    """A block in its network, by its number. own: its own forward pass; most_rows: whose values fit into memory."""

    block: Block | PostNorm
    buffers: Buffers
    own: Any
    layer: int
    last: bool
    most_rows: int


def free_bytes() -> int:
    """Memory that can be had without swapping, as Linux tells; half of what is built in, elsewhere."""
    try:
        facts = File("/proc/meminfo").read_text(encoding="ascii")
        return 1024 * int(facts.partition("MemAvailable:")[2].split()[0])
    except (OSError, IndexError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _forward(use: Use, hidden_states: Tensor, *positional: Any, **named: Any) -> Any:
    """The layer's forward pass, as its network calls it. rows: the only ones whose answers are wanted at the end."""
    borders, rows, reading = named.get("borders"), named.pop("rows", None), named.get("reading")
    by_hand = reading is not None and not reading.plain and isinstance(use.block, Block) and not torch.is_grad_enabled()
    if borders is None and not by_hand:
        return use.own(hidden_states, *positional, **named)
    angles = named.get("position_embeddings")
    around = Around(borders or (), rows if use.last else None, angles and (angles[0][0], angles[1][0]), reading,
                    use.layer)
    again = hidden_states.shape[1] > use.most_rows
    found = answer(Call(use.block, around, use.buffers, again), hidden_states[0])
    return found[None]
