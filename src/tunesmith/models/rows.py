"""Single rows of frozen matrices that learn: those of new tokens, in the embedding and in a head of its own.

The matrices always hold the rows as they stand, so everything that reads them (generation, the head's kernel, a merge)
sees plain modules; only the gradients are made here, for the few rows, and nothing as large as the vocabulary learns.
The names, and so the file, are those of PEFT's `trainable_token_indices`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import Refusal
from ..kernels.cross_entropy import Shape, shaped

CHILD = "token_adapter"  # PEFT's names, of the module and of its weight
WEIGHT = "trainable_tokens_delta"


class Rows(nn.Module):
    """The rows `ids` of the matrix of `holder`; they learn once `learn` was called, and are as begun while not active.

    scale: what the holder multiplies its rows by, where it is an embedding that does.
    """

    def __init__(self, holder: nn.Module, ids: Tensor) -> None:
        super().__init__()
        self._holder = (holder,)  # in a tuple it is no child
        self.hooks: list[RemovableHandle] = []
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("begun", self.matrix[ids].clone(), persistent=False)
        self.register_parameter(WEIGHT, None)
        self.active = True
        self.scale = 1.0

    ids: Tensor
    begun: Tensor
    trainable_tokens_delta: nn.Parameter | None

    @property
    def holder(self) -> nn.Module:
        """The embedding, or the head."""
        return self._holder[0]

    @property
    def matrix(self) -> Tensor:
        """The whole matrix, these rows included."""
        matrix: Tensor = self.holder.weight  # type: ignore[assignment]
        return matrix

    @torch.no_grad()
    def lay(self) -> None:
        """Put the rows into the matrix, where they are not what stands there."""
        learnt = self.trainable_tokens_delta
        if learnt is None:  # the matrix itself learns, or nothing does: what stands there is right
            return
        wanted = learnt if self.active else self.begun
        if not torch.equal(self.matrix[self.ids], wanted):
            self.matrix[self.ids] = wanted

    def reached(self) -> nn.Parameter | None:
        """The rows, where a gradient is wanted for them."""
        return self.trainable_tokens_delta if self.active and torch.is_grad_enabled() else None


def mark(embedding: nn.Module, head: nn.Module | None, ids: Tensor) -> None:
    """Remember which rows are new; nothing learns yet. head: None where the network has none that writes tokens."""
    for holder in (embedding,) if head is None or head.weight is embedding.weight else (embedding, head):
        holder.add_module(CHILD, Rows(holder, ids))


def learn(network: Any) -> list[str]:
    """Make the new rows of matrices that do not learn themselves learn; returns their names."""
    embedding = network.get_input_embeddings()
    names = []
    for name, rows in list(_of(network)):
        if rows.matrix.requires_grad:
            continue
        rows.trainable_tokens_delta = nn.Parameter(rows.matrix.detach()[rows.ids])
        rows.hooks.append(embedding.register_forward_pre_hook(partial(_lay, rows)))
        if rows.matrix is embedding.weight:
            rows.scale = _scale(embedding, rows)
            rows.hooks.append(embedding.register_forward_hook(partial(_reached_by_embedding, rows)))
        head = network.get_output_embeddings()
        if head is not None and rows.matrix is head.weight:
            rows.hooks.append(head.register_forward_hook(partial(_reached_by_linear, rows)))
        names.append(f"{name}.{WEIGHT}")
    return names


def merge(network: Any) -> None:
    """Leave the rows in their matrices for good, as rows like all others."""
    for _, rows in list(_of(network)):
        rows.lay()
        for hook in rows.hooks:
            hook.remove()
        delattr(rows.holder, CHILD)


def switch(network: Any, active: bool) -> None:
    """Have the rows as learnt, or as they began."""
    for _, rows in _of(network):
        rows.active = active


def configuration(network: Any) -> dict[str, list[int]]:
    """PEFT's `trainable_token_indices`: for each matrix with rows that learn, which."""
    return {name.removesuffix(f".{CHILD}"): rows.ids.tolist() for name, rows in _of(network)
            if rows.trainable_tokens_delta is not None}


def reached_by_head(network: Any, answers_S: Tensor, states_SH: Tensor, targets_S: Tensor, shape: Shape) -> Tensor:
    """The log-probabilities as they are; their gradient now reaches those rows of the head that learn.

    d log p(target) / d logit(row) = [row is target] - p(row), and p(row) follows from its logit, the target's logit and
    the target's log-probability: no other column is computed again.
    """
    head = network.get_output_embeddings()
    rows = next((rows for _, rows in _of(network) if rows.matrix is head.weight), None)
    learnt = rows.reached() if rows is not None else None
    if rows is None or learnt is None:
        return answers_S
    slopes = _slopes(head, rows.ids, answers_S.detach(), states_SH.detach(), targets_S, shape=shape)
    found: Tensor = _HeadRows.apply(answers_S, learnt, slopes, states_SH.detach())  # type: ignore[no-untyped-call]
    return found


@torch.no_grad()
def _slopes(head: Any, ids: Tensor, answers_S: Tensor, states_SH: Tensor, targets_S: Tensor, *, shape: Shape) -> Tensor:
    """(S, N) d log p(target) / d logit of each of N rows, before the head's scale and cap."""
    wide = _wide(states_SH)
    # rounded as the kernel rounds its logits, so that shares are shares of the same sum
    own = (states_SH.to(wide) * head.weight[targets_S].to(wide)).sum(-1)
    logits = nn.functional.linear(states_SH.to(wide), head.weight[ids].to(wide))
    if head.bias is not None:
        own, logits = own + head.bias[targets_S], logits + head.bias[ids]
    totals = shaped(own.to(states_SH.dtype), shape) - answers_S
    given = shaped(logits.to(states_SH.dtype), shape)
    slopes = (targets_S[:, None] == ids).to(wide) - (given - totals[:, None]).exp()
    if shape.softcap is not None:
        slopes *= 1 - (given / shape.softcap) ** 2
    return slopes * shape.scale


class _HeadRows(torch.autograd.Function):
    """Passes on what it is given, and sends the rows their gradient."""

    @staticmethod
    def forward(ctx: Any, answers_S: Tensor, rows_NH: Tensor, slopes_SN: Tensor, states_SH: Tensor) -> Tensor:
        ctx.save_for_backward(slopes_SN, states_SH)
        return answers_S.view_as(answers_S)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        slopes, states = ctx.saved_tensors
        return arriving[0], (slopes * arriving[0][:, None]).T @ states.to(slopes.dtype), None, None


class _EmbeddingRows(torch.autograd.Function):
    """Passes on what it is given, and sends the rows the sum of what arrives where they stand."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, rows_NH: Tensor, row_of_M: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(row_of_M)
        ctx.scale, ctx.shape = scale, rows_NH.shape
        return states.view_as(states)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        (row_of,) = ctx.saved_tensors
        wide, here = _wide(arriving[0]), torch.nonzero(row_of >= 0).flatten()
        found, place = torch.unique(row_of[here], return_inverse=True)
        stands = place[:, None] == torch.arange(len(found), device=place.device)
        d_rows = torch.zeros(ctx.shape, dtype=wide, device=place.device)
        # a product, and no scattered sum: that would add up in another order each time
        d_rows[found] = stands.T.to(wide) @ arriving[0].flatten(0, -2)[here].to(wide) * ctx.scale
        return arriving[0], d_rows, None, None


def _lay(rows: Rows, module: nn.Module, given: tuple[Any, ...]) -> None:
    rows.lay()


def _reached_by_embedding(rows: Rows, module: nn.Module, given: tuple[Tensor, ...], states: Tensor) -> Tensor | None:
    learnt = rows.reached()
    if learnt is None:
        return None
    ids = given[0].flatten()
    place = torch.searchsorted(rows.ids, ids).clamp(max=len(rows.ids) - 1)
    row_of = torch.where(rows.ids[place] == ids, place, -1)
    found: Tensor = _EmbeddingRows.apply(states, learnt, row_of, rows.scale)  # type: ignore[no-untyped-call]
    return found


def _reached_by_linear(rows: Rows, module: nn.Module, given: tuple[Tensor, ...], logits: Tensor) -> Tensor | None:
    """The logits as they are, of a head that is called as a module; their gradient now reaches the rows."""
    learnt = rows.reached()
    if learnt is None:
        return None
    nothing = nn.functional.linear(given[0], (learnt - learnt.detach()).to(given[0].dtype))
    return logits.index_add(-1, rows.ids, nothing)


@torch.no_grad()
def _scale(embedding: nn.Module, rows: Rows) -> float:
    """What an embedding multiplies its rows by: asked of it. Raises Refusal where it does more than that."""
    if type(embedding) is nn.Embedding:
        return 1.0
    row, given = rows.matrix[rows.ids[0]].double(), embedding(rows.ids[:1])[0].double()
    scale = float(given @ row / (row @ row))
    if not torch.allclose(given, row * scale, rtol=1e-2, atol=1e-6):
        raise Refusal("base.embedding", "this base's embedding does more than look rows up, so single rows of it "
                      "cannot learn", "base.special_tokens", "use `adapter: {type: full}`, or no new tokens")
    return scale


def _of(network: Any) -> Iterator[tuple[str, Rows]]:
    """The rows of a network and their names, the embedding's first."""
    return ((name, module) for name, module in network.named_modules() if isinstance(module, Rows))


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
