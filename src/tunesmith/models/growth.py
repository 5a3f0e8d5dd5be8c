"""A base that gets more tokens: new pieces in its tokenizer, and a row in its matrices for all that is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..encoding.tokens import vocabulary
from . import rows

CHUNK_ROWS = 4096


def add_pieces(tokenizer: Any, pieces: vocabulary.Pieces) -> None:
    """Give a transformers tokenizer new pieces, after all that it has."""
    state = vocabulary.extended(tokenizer.backend_tokenizer.to_str(), pieces)
    tokenizer._tokenizer = Tokenizer.from_str(state)  # as transformers itself does in `train_new_from_iterator`


def new_ids(before: Any, after: Any) -> tuple[int, ...]:
    """The ids that a tokenizer has and that it had not before something was added to it, in order."""
    return tuple(sorted(set(after.get_vocab().values()) - set(before.get_vocab().values())))


@torch.no_grad()
def grow(network: Any, replaced: Mapping[int, Sequence[int]]) -> None:
    """Give the network a row for each new id: the mean of the rows that it replaces, the same on every machine.

    replaced: new ids in order; the mean of all rows that the tokenizer knew for an id that replaces none. An embedding
    that has room beyond its tokenizer's ids is left as large as it is. Sources: Gee 2022 (arXiv:2402.09977); for
    the mean of all Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models": it leaves what is
    said of all other tokens nearly as it was.
    """
    ids = list(replaced)
    known = min(ids[0], len(network.get_input_embeddings().weight))
    if ids[-1] >= len(network.get_input_embeddings().weight):
        with torch.random.fork_rng(devices=[]):  # transformers draws rows, which the means replace
            network.resize_token_embeddings(ids[-1] + 1, mean_resizing=False)
    embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    places = torch.tensor(ids, device=embedding.weight.device)
    tied = head is None or head.weight is embedding.weight
    for matrix in [embedding.weight] if tied else [embedding.weight, head.weight]:
        matrix[places] = _means(matrix, known, replaced).to(matrix.dtype)
    if isinstance(head, nn.Linear) and head.bias is not None:
        head.bias[places] = _means(head.bias[:, None], known, replaced)[:, 0].to(head.bias.dtype)
    rows.mark(embedding, head, places)


def _means(matrix: Tensor, known: int, replaced: Mapping[int, Sequence[int]]) -> Tensor:
    """(N, H) the row of each new id, in float64."""
    of_all = _mean(matrix[:known]) if not all(replaced.values()) else None
    means = [matrix[list(ids)].double().mean(0) if ids else of_all for ids in replaced.values()]
    return torch.stack([mean for mean in means if mean is not None])


def _mean(matrix: Tensor) -> Tensor:
    """The mean row, in float64: chunk by chunk, for a large vocabulary would not fit twice."""
    parts = [matrix[start : start + CHUNK_ROWS].double().sum(0) for start in range(0, len(matrix), CHUNK_ROWS)]
    return torch.stack(parts).sum(0) / len(matrix)
