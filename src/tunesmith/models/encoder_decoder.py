"""Log-probabilities of targets by a network that reads one text and writes another, such as T5 or BART.

transformers' network computes them, on pairs of like lengths together, padded on the right; what its decoder reads is
the target moved on by one place, by its own convention. No token of a text sees what is padding.

Letters: D documents of a group, T tokens of its longest part, V vocabulary, S supervised rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..errors import Misuse
from ..records import OF_TARGET, Batch
from . import rows as rows_of
from .padded import grouped

NO_TARGET = -100


def log_probabilities(network: Any, batch: Batch) -> Tensor:
    """(S,) float32 log-probability of the target of each supervised row, with the graph."""
    borders = [(start, end - int(batch.token_columns[OF_TARGET][start:end].sum()), end)
               for start, end in pairwise(batch.borders)]
    rows, found = [], []
    for group in _alike([(middle - start, end - middle) for start, middle, end in borders]):
        targets = [torch.arange(*borders[number][1:], device=batch.ids.device) for number in group]
        written_DT = _padded([batch.ids[each] for each in targets], NO_TARGET)
        logits_DTV = network(
            **read(network, [batch.ids[slice(*borders[number][:2])] for number in group]), use_cache=False,
            decoder_input_ids=moved_on(network, written_DT),
        ).logits
        learnt_DT = _padded([batch.weights[each] > 0 for each in targets], 0)
        rows.append(_padded(targets, 0)[learnt_DT])
        wide_SV = _wide(logits_DTV[learnt_DT])
        chosen_S = wide_SV.gather(1, batch.targets[rows[-1]][:, None])[:, 0]
        # the logarithm of the sum apart: a log-softmax would be kept for the backward pass beside the logits
        found.append(chosen_S - wide_SV.logsumexp(1))
    return torch.cat(found)[torch.cat(rows).argsort()]


def refuse_single_rows(learning: Sequence[str]) -> None:
    """Raise Misuse where rows of new tokens are to learn: each side looks them up in a matrix of its own."""
    if any(name.endswith(rows_of.WEIGHT) for name in learning):
        raise Misuse("adapter.new_rows", "single rows of the embedding cannot learn in a base that reads one text and "
                     "writes another", "adapter.type", "use `adapter: {type: full}`, or no new tokens")


def moved_on(network: Any, written_DT: Tensor) -> Tensor:
    """(D, T) what the decoder reads to write these: they themselves, one place later, by the network's own convention.

    written_DT: -100 is padding. M2M100, and so NLLB, has no function for it: there the start is the configuration's.
    """
    own = getattr(network, "prepare_decoder_input_ids_from_labels", None)  # as transformers' own collator asks
    if own is not None:
        found: Tensor = own(labels=written_DT)
        return found
    start = written_DT.new_full((len(written_DT), 1), network.config.decoder_start_token_id)
    moved = torch.cat([start, written_DT[:, :-1]], dim=1)
    return moved.masked_fill(moved == NO_TARGET, network.config.pad_token_id)


def read(network: Any, sources: Sequence[Tensor]) -> dict[str, Tensor]:
    """What the encoder is given of some sources: their ids, padded, and which of these are no padding."""
    told: int | None = network.config.pad_token_id  # from which some networks (mBART, NLLB) tell positions
    return {"input_ids": _padded(sources, 0 if told is None else told),
            "attention_mask": _padded([torch.ones_like(each) for each in sources], 0)}


def _alike(lengths: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The numbers of documents whose sources and targets are of like length."""
    groups: list[list[int]] = []
    for together in grouped([source for source, _ in lengths]):
        groups += [[together[place] for place in part]
                   for part in grouped([lengths[number][1] for number in together])]
    return groups


def _padded(parts: Sequence[Tensor], value: int) -> Tensor:
    """(D, T) with the value where a part has ended."""
    return pad_sequence(list(parts), batch_first=True, padding_value=value)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
