"""Floating-point operations that a training step needs, by formula: what the share of the matrix roof is counted in.

A multiply-add is two. Only what must be computed is counted: causal attention once (half of the square), the head on
supervised rows only, and nothing that is recomputed but the scores of attention in the backward pass, which no exact
method that keeps memory linear avoids. Norms, rotations, gates, softmax and the optimiser are left out.

Of an encoder attention is counted whole, and the head on one row of each text.

Letters: H hidden width, A width of all query heads, K of all key heads, I of the MLP, V vocabulary, L layers, R rank,
M rows, S rows of one document.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama-like network, or of a BERT-like one, which reads both ways and has a head for classes."""

    hidden: int
    queries: int
    keys: int
    inner: int
    vocabulary: int
    layers: int
    both_ways: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], classes: int = 0) -> "Shape":
        """The sizes that a `config.json` states; classes: of the head of a network that reads both ways."""
        if classes:
            hidden = config["hidden_size"]
            return cls(hidden, hidden, hidden, config["intermediate_size"], classes, config["num_hidden_layers"], True)
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        return cls(
            hidden=config["hidden_size"], queries=heads * width, keys=config["num_key_value_heads"] * width,
            inner=config["intermediate_size"], vocabulary=config["vocab_size"], layers=config["num_hidden_layers"],
        )

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """(out, in) of the seven linear layers of a block: q, k, v, o, gate, up, down; BERT's has no gate."""
        hidden, inner = self.hidden, self.inner
        if self.both_ways:
            return (*((hidden, hidden) for _ in range(4)), (inner, hidden), (hidden, inner))
        return (
            (self.queries, hidden), (self.keys, hidden), (self.keys, hidden), (hidden, self.queries),
            (inner, hidden), (inner, hidden), (hidden, inner),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """Operations of one step by part; `total` is their sum."""

    linears_forward: float
    linears_backward: float
    low_rank_forward: float
    low_rank_backward: float
    attention_forward: float
    attention_backward: float
    head_forward: float
    head_backward: float

    @property
    def total(self) -> float:
        """All of them."""
        return float(sum(astuple(self)))


def step(shape: Shape, documents: Iterable[tuple[int, int]], rank: int | None) -> Parts:
    """The operations of a step over documents given as (rows, supervised rows).

    rank: of LoRA on all seven linear layers; None where every weight learns. Under LoRA the embedding is frozen, so
    nothing is carried back through the first layer's q, k and v.
    """
    pairs = list(documents)
    rows, supervised = sum(length for length, _ in pairs), sum(count for _, count in pairs)
    squares = sum(length**2 for length, _ in pairs) * (2 if shape.both_ways else 1)
    weights = shape.layers * sum(out * into for out, into in shape.linears)
    narrow = 0 if rank is None else shape.layers * rank * sum(out + into for out, into in shape.linears)
    head = 2.0 * supervised * shape.hidden * (shape.vocabulary + (shape.hidden if shape.both_ways else 0))
    first = 0 if rank is None else shape.hidden * (shape.queries + 2 * shape.keys)
    return Parts(
        linears_forward=2.0 * rows * weights,
        linears_backward=4.0 * rows * weights if rank is None else 2.0 * rows * (weights - first),
        low_rank_forward=2.0 * rows * narrow,
        low_rank_backward=4.0 * rows * narrow - 2.0 * rows * 3 * (rank or 0) * shape.hidden,
        attention_forward=2.0 * squares * shape.queries * shape.layers,
        attention_backward=5.0 * squares * shape.queries * shape.layers,
        head_forward=head,
        head_backward=head if rank is not None else 2 * head,
    )
