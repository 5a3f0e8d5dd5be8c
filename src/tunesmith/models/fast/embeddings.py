"""The embeddings of BERT's family by hand: tables looked up and added, and a layer norm, as one node of the graph.

The gradient of the table of words can come by rows: those of the tokens that a batch has, as a sparse tensor, where the
whole table would be zeros for the rest.

Letters: M rows, V words, H width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...kernels import ideas, layer_norm
from ...kernels.layer_norm import Moments
from .structure import Unknown, refuse_dropout

NAMES = ("input_ids", "position_ids", "token_type_ids")  # what transformers calls the places in each table
ALLOWED = 2e-5  # as in `trial`


@dataclass(eq=False)
class Embeddings:
    """The tables in the order of NAMES (the last may be missing), and the norm.

    by_rows: whether the gradient of the words comes by rows; ready: told which words are read, before they are.
    """

    tables: tuple[nn.Embedding, ...]
    norm: nn.LayerNorm
    by_rows: bool = False
    ready: Callable[[Tensor], None] | None = None

    @property
    def words(self) -> Tensor:
        """(V, H)."""
        return self.tables[0].weight

    def weights(self) -> tuple[Tensor, ...]:
        """Those of the tables, and the norm's two."""
        return (*(table.weight for table in self.tables), self.norm.weight, self.norm.bias)


def install(network: nn.Module) -> Embeddings | None:
    """Let a network's embeddings compute by hand where that is proved to give the same; None where they cannot."""
    module = dict(network.base_model.named_children()).get("embeddings")  # type: ignore[union-attr]
    if not isinstance(module, nn.Module) or not ideas.on("block") or next(network.parameters()).device.type != "cpu":
        return None
    try:
        found = _find(module)
        _prove(module, found)
    except Unknown:
        return None
    module.forward = partial(_forward, found, module.forward)
    return found


def _find(module: nn.Module) -> Embeddings:
    """What the embeddings seem to be. Raises Unknown."""
    refuse_dropout(module)
    children = dict(module.named_children())
    names = [name for name in ("word_embeddings", "position_embeddings", "token_type_embeddings") if name in children]
    tables = [children[name] for name in names]
    norms = [child for child in children.values() if isinstance(child, nn.LayerNorm)]
    plain = all(type(table) is nn.Embedding and not table._forward_hooks and not table._forward_pre_hooks
                and table.max_norm is None and not table.scale_grad_by_freq for table in tables)
    if names[:2] != ["word_embeddings", "position_embeddings"] or len(norms) != 1 or not plain:
        raise Unknown("they are no plain tables and a norm")
    found = Embeddings(tuple(tables), norms[0])  # type: ignore[arg-type]
    used = {id(weight) for weight in found.weights()}
    if norms[0].weight is None or norms[0].bias is None or any(id(each) not in used for each in module.parameters()):
        raise Unknown("they hold other weights")
    return found


def _prove(module: nn.Module, found: Embeddings) -> None:
    """Raise Unknown unless the module answers and sends gradients as is done by hand, both in float32 or better."""
    import copy

    exact = copy.deepcopy(module)
    exact = exact if found.words.dtype == torch.float64 else exact.float()
    ours = _find(exact)
    generator = torch.Generator().manual_seed(0)
    places = [torch.randint(1, table.num_embeddings, (9,), generator=generator) if table.num_embeddings > 1
              else torch.zeros(9, dtype=torch.int64) for table in ours.tables]
    asked = {name: place[None].to(found.words.device) for name, place in zip(NAMES, places, strict=False)}
    for weight in ours.weights():
        weight.requires_grad_(True)
    answers = []
    for function in (exact, partial(_forward, ours, exact.forward)):
        said = function(**asked)
        gradients = torch.autograd.grad(said.square().sum() / 2, ours.weights())
        answers.append((said.detach(), *gradients))
    if not all(float((one - other).abs().max()) <= ALLOWED * (1 + float(other.abs().max()))
               for one, other in zip(*answers, strict=True)):
        raise Unknown("they compute something else than their parts suggest")


def _forward(use: Embeddings, own: Any, *given: Any, **named: Any) -> Any:
    """The embeddings' forward pass, as their network calls it: by hand where each word's position is told."""
    asked = inspect.signature(own).bind(*given, **named)
    told: Mapping[str, Any] = asked.arguments
    ids, positions, segments = (told.get(name) for name in NAMES)
    if ids is not None and use.ready is not None:
        use.ready(ids.flatten())
    if ids is None or positions is None or positions.shape != ids.shape or told.get("inputs_embeds") is not None:
        return own(*asked.args, **asked.kwargs)
    places = [ids, positions]
    if len(use.tables) > 2:
        places.append(torch.zeros_like(ids) if segments is None else segments)
    flat = [place.flatten() for place in places]
    if torch.is_grad_enabled() and any(weight.requires_grad for weight in use.weights()):
        found = _Embeddings.apply(use, *flat, *use.weights())  # type: ignore[no-untyped-call]
    else:
        with torch.no_grad():
            found = _answer(use, flat)[0]
    return found.view(*ids.shape, -1)


def _answer(use: Embeddings, places: list[Tensor]) -> tuple[Tensor, Tensor, Moments]:
    """The answer; and the sum before the norm and its moments, for the way back."""
    total = use.words.detach()[places[0]]
    for table, place in zip(use.tables[1:], places[1:], strict=True):
        total += table.weight.detach()[place]
    answer = torch.empty_like(total)
    norm = use.norm
    return answer, total, layer_norm.layer_norm(total, norm.weight, norm.bias, norm.eps, out_MH=answer)


class _Embeddings(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, use: Embeddings, *given: Tensor) -> Tensor:
        places = list(given[: len(use.tables)])
        answer, total, ctx.moments = _answer(use, places)
        ctx.use = use
        ctx.save_for_backward(total, *places)
        return answer

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Any, ...]:
        use: Embeddings = ctx.use
        total, *places = ctx.saved_tensors
        d_total = torch.empty_like(total)
        learnt = layer_norm.layer_norm_backward(
            arriving[0].contiguous(), total, use.norm.weight, ctx.moments, into_MH=d_total, learns=True)
        assert learnt is not None
        d_total = d_total.to(learnt[0].dtype)
        tables = [_of_table(table, place, d_total, sparse=use.by_rows and table is use.tables[0])
                  if table.weight.requires_grad else None for table, place in zip(use.tables, places, strict=True)]
        norms = [gradient if weight.requires_grad else None
                 for weight, gradient in zip((use.norm.weight, use.norm.bias), learnt, strict=True)]
        return None, *(None for _ in places), *tables, *norms


def _of_table(table: nn.Embedding, places: Tensor, d_rows: Tensor, *, sparse: bool) -> Tensor:
    """The gradient of a table: whole, or of the rows that were read; padding has none."""
    if table.padding_idx is not None:
        kept = places != table.padding_idx
        places, d_rows = places[kept], d_rows[kept]
    if not sparse:
        return torch.zeros(table.weight.shape, dtype=d_rows.dtype, device=d_rows.device).index_add_(0, places, d_rows)
    rows, place = torch.unique(places, return_inverse=True)
    sums = torch.zeros(len(rows), d_rows.shape[1], dtype=d_rows.dtype, device=d_rows.device)
    sums.index_add_(0, place, d_rows)
    return torch.sparse_coo_tensor(rows[None], sums, table.weight.shape, is_coalesced=True, check_invariants=False)
