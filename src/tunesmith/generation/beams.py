"""Answers of a network that reads one text and writes another: transformers' own greedy or beam search, in batches.

Sources of like length are computed together, padded on the right; what is written does not depend on the neighbours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import Refusal
from ..models.encoder_decoder import moved_on, read
from .decode import Answer, Network, Reader


@dataclass(frozen=True, slots=True)
class Search:
    """How answers are sought.

    max_new_tokens: 1 or more; beams: 1 takes the likeliest token at each place; length_penalty: of beams, the power of
    an answer's length that its log-probability is divided by.
    """

    max_new_tokens: int
    beams: int = 1
    length_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A source's ids, and what the tokenizer writes before and after its target."""

    source: Sequence[int]
    before: tuple[int, ...]
    after: tuple[int, ...]


def generate(
    model: Network, codec: Reader, asked: Sequence[Asked], search: Search, *, batch_size: int
) -> Iterator[tuple[int, Answer]]:
    """Pairs of a source's index and its answer, those of one batch together."""
    frames: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for index, each in enumerate(asked):
        frames.setdefault((each.before, each.after), []).append(index)
    for (before, after), indices in frames.items():
        start = opening(model, before, after)
        by_length = sorted(indices, key=lambda index: (-len(asked[index].source), index))
        for first in range(0, len(by_length), batch_size):
            together = by_length[first : first + batch_size]
            written = _written(model, codec, [asked[index].source for index in together], start, search)
            for index, ids in zip(together, written, strict=True):
                yield index, _answer(codec, ids)


def opening(model: Network, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """What the decoder reads before the first token of a text, by the network's own convention."""
    empty = torch.tensor([[*before, *after]], device=model.device)
    moved: list[int] = moved_on(model.network, empty)[0].tolist()
    if len(before) > 1:
        raise Refusal("generation.opening", f"the tokenizer opens a text with {len(before)} tokens, and transformers' "
                      "search can be given one", "base.name", "use a base such as T5, BART, mBART or NLLB")
    return tuple(moved[: len(before) + 1])


@torch.inference_mode()
def _written(
    model: Network, codec: Reader, sources: Sequence[Sequence[int]], start: tuple[int, ...], search: Search
) -> list[list[int]]:
    """The ids that follow the opening, of each source; whatever follows the one that ended an answer is padding."""
    given = read(model.network, [torch.tensor(list(source), device=model.device) for source in sources])
    config = copy.deepcopy(model.network.generation_config)
    config.update(**settings_of(codec, start, search), use_cache=True, max_length=None, max_new_tokens=len(start) - 1
                  + min(search.max_new_tokens, codec.context - len(start)))
    found = model.network.generate(**given, generation_config=config)
    return [ids[len(start):] for ids in found.tolist()]


def settings_of(codec: Reader, start: tuple[int, ...], search: Search) -> dict[str, Any]:
    """How transformers is told to seek such answers; None takes a setting of the base's away."""
    return {
        "do_sample": False, "temperature": None, "top_p": None, "top_k": None, "min_length": 0,
        "num_beams": search.beams, "length_penalty": search.length_penalty if search.beams > 1 else None,
        "eos_token_id": sorted(codec.stop), "decoder_start_token_id": start[0],
        "forced_bos_token_id": start[1] if len(start) > 1 else None, "forced_eos_token_id": None,
    }


def _answer(codec: Reader, ids: Sequence[int]) -> Answer:
    end = next((place for place, index in enumerate(ids) if index in codec.stop), None)
    if end is None:
        return Answer(tuple(ids), codec.decode(ids), "length", len(ids))
    return Answer(tuple(ids[:end]), codec.decode(ids[:end]), "end", end + 1, ids[end])
