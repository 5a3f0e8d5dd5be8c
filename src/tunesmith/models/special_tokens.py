"""Tokens with a meaning of their own: put into a base's tokenizer, and given rows in its matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import Misuse
from ..recipe.sections import SpecialTokens
from . import rows

CHUNK_ROWS = 4096


def add(tokenizer: Any, special: SpecialTokens) -> None:
    """Set the tokens that play a part and add those that the tokenizer lacks, after all that it has.

    Raises Misuse for a BOS that its own way of opening a text would not write.
    """
    from tokenizers import AddedToken

    opened = tokenizer.bos_token_id is not None and _first(tokenizer) == tokenizer.bos_token_id
    roles = {"bos_token": special.bos, "eos_token": special.eos, "pad_token": special.pad}
    named = {role: token for role, token in roles.items() if token is not None}
    known = {token.content for token in tokenizer.added_tokens_decoder.values()}
    wanted = [token for token in dict.fromkeys([*named.values(), *special.additional]) if token not in known]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in wanted], special_tokens=True)
    for role, token in named.items():
        setattr(tokenizer, role, token)
    if opened and special.bos is not None and _first(tokenizer) != tokenizer.bos_token_id:
        raise Misuse(
            "base.bos", f"this base's tokenizer opens every text with `{tokenizer.decode([_first(tokenizer)])}`, and "
            f"would not write `{special.bos}`", "base.special_tokens.bos", "leave the base's own `bos`",
        )


def new_ids(before: Any, after: Any) -> tuple[int, ...]:
    """The ids that a tokenizer has and that it had not before its special tokens were added, in order."""
    had = set(before.get_vocab().values())
    return tuple(sorted(set(after.get_added_vocab().values()) - had))


@torch.no_grad()
def grow(network: Any, ids: Sequence[int]) -> None:
    """Give the network a row for each new id: the mean of the rows that the tokenizer knew, the same on every machine.

    An embedding that has room beyond its tokenizer's ids is left as large as it is. Source: Hewitt 2021, "Initializing
    New Word Embeddings for Pretrained Language Models": a mean leaves what is said of all other tokens nearly
    as it was.
    """
    embedding = network.get_input_embeddings()
    known = min(ids[0], len(embedding.weight))
    if ids[-1] >= len(embedding.weight):
        with torch.random.fork_rng(devices=[]):  # transformers draws rows, which the means replace
            network.resize_token_embeddings(ids[-1] + 1, mean_resizing=False)
    embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    places = torch.tensor(ids, device=embedding.weight.device)
    tied = head.weight is embedding.weight
    for matrix in [embedding.weight] if tied else [embedding.weight, head.weight]:
        matrix[places] = _mean(matrix[:known]).to(matrix.dtype)
    if isinstance(head, nn.Linear) and head.bias is not None:
        head.bias[places] = head.bias[:known].mean()
    rows.mark(embedding, head, places)


def _mean(matrix: Tensor) -> Tensor:
    """The mean row, in float64: chunk by chunk, for a large vocabulary would not fit twice."""
    parts = [matrix[start : start + CHUNK_ROWS].double().sum(0) for start in range(0, len(matrix), CHUNK_ROWS)]
    return torch.stack(parts).sum(0) / len(matrix)


def _first(tokenizer: Any) -> int | None:
    ids = tokenizer("a")["input_ids"]
    return ids[0] if ids else None
