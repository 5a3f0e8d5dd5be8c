"""Answers to prompts that are all there at the beginning, for chat, evaluation and exports: batched, cached, streamed.

A server's, whose prompts come and go, are written by `continuous`.

Prompts are sorted by length and padded on the left; a row that is finished leaves the batch. What is drawn for a
prompt depends on the seed and the prompt's index alone, not on its neighbours.

Letters of shape suffixes: B rows of the batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ..encoding.order import seed_for
from ..errors import Misuse, Problem, raise_all
from .elsewhere import Elsewhere
from .pieces import Pieces
from .sampling import Sampling, choose, penalise


class Network(Protocol):
    """What the decoder needs of a model: a transformers causal language model, and where it computes."""

    @property
    def network(self) -> Any:
        """Called with ids, mask, positions and a cache; answers with `.logits`."""

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""


class Reader(Protocol):
    """What the decoder needs of a codec."""

    @property
    def stop(self) -> frozenset[int]:
        """Ids that end an answer."""

    @property
    def context(self) -> int:
        """The longest document, in tokens, that the base can read."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    ids: without the token that ended it; text: these decoded; stopped_by: `end` by a stop token, `length` by
    `max_new_tokens` or the end of the context; tokens: how many were generated, the ending one included; end: the
    stop token that ended it.
    """

    ids: tuple[int, ...]
    text: str
    stopped_by: Literal["end", "length"]
    tokens: int
    end: int | None = None


@dataclass(slots=True)
class Rows:
    """The rows that are still being answered, and what the network remembers of them.

    cache: None for a network that carries a state from token to token, which padding would disturb and which each
    network keeps in its own way: such a network reads one prompt at a time, and from its start for each token.
    """

    indices: list[int]
    limits: list[int]
    generators: list[torch.Generator]
    mask_BT: Tensor
    padded: bool
    cache: Any
    seen_BV: Tensor | None


def generate(
    model: Network, codec: Reader, prompts: Sequence[Sequence[int]], sampling: Sampling, *, batch_size: int = 16
) -> Iterator[tuple[int, Answer]]:
    """Pairs of a prompt's index and its answer, each as soon as it is finished.

    A model that another program computes answers greedily, whatever the sampling, and in batches of its own. Raises
    Misuse for prompts that are empty or leave no room in the context, before anything is computed.
    """
    vet(codec, prompts)
    if isinstance(model, Elsewhere):
        limits = [min(sampling.max_new_tokens, codec.context - len(prompt)) for prompt in prompts]
        for index, found in model.answers(prompts, limits):
            yield index, _answer(codec, found, "end" if found and found[-1] in codec.stop else "length")
        return
    by_length = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index]), index))
    batch_size = 1 if carries_a_state(model.network) else batch_size
    for start in range(0, len(by_length), batch_size):
        indices = by_length[start : start + batch_size]
        ids: dict[int, list[int]] = {index: [] for index in indices}
        for index, token, stopped_by in _tokens(model, codec, prompts, indices, sampling):
            ids[index].append(token)
            if stopped_by:
                yield index, _answer(codec, ids.pop(index), stopped_by)


def stream(
    model: Network, codec: Reader, prompt: Sequence[int], sampling: Sampling
) -> Iterator[str | Answer]:
    """Pieces of the answer's text as they come, then the `Answer`; the pieces joined are its text.

    A piece never ends inside a character: what could still change is held back until it cannot.
    """
    vet(codec, [prompt])
    ids: list[int] = []
    pieces = Pieces(codec)
    for _, token, stopped_by in _tokens(model, codec, [prompt], [0], sampling):
        ids.append(token)
        piece = pieces.add(token) if stopped_by != "end" else ""
        if stopped_by:
            piece += pieces.rest()
        if piece:
            yield piece
        if stopped_by:
            yield _answer(codec, ids, stopped_by)


def carries_a_state(network: Any) -> bool:
    """Whether the network is of a kind whose layers hand a state from token to token."""
    return bool(network._is_stateful)


def _answer(codec: Reader, ids: Sequence[int], stopped_by: Literal["end", "length"]) -> Answer:
    kept = tuple(ids[:-1] if stopped_by == "end" else ids)
    return Answer(kept, codec.decode(kept), stopped_by, len(ids), ids[-1] if stopped_by == "end" else None)


def vet(codec: Reader, prompts: Sequence[Sequence[int]]) -> None:
    """Raise Misuse for prompts that are empty or leave no room in the context."""
    problems: list[Problem] = []
    for index, prompt in enumerate(prompts):
        if not prompt:
            problems.append(Misuse("generation.empty_prompt", f"prompt {index} is empty", "",
                                   "give at least one token; a BOS token will do"))
        elif len(prompt) >= codec.context:
            problems.append(Misuse(
                "generation.prompt_too_long",
                f"prompt {index} has {len(prompt)} tokens, and the base reads no more than {codec.context}", "",
                "shorten the prompt, or start a new conversation"))
    raise_all(problems)


def _tokens(
    model: Network, codec: Reader, prompts: Sequence[Sequence[int]], indices: Sequence[int], sampling: Sampling
) -> Iterator[tuple[int, int, Literal["", "end", "length"]]]:
    """Each new token of each row with the row's index, and at a row's last how it ended."""
    rows, ids_BT = begin(model, [prompts[index] for index in indices], indices, codec, sampling)
    generated = 0
    while rows.indices:
        chosen = _step(model.network, rows, ids_BT, sampling)
        generated += 1
        going: list[int] = []
        for place, (index, token) in enumerate(zip(rows.indices, chosen.tolist(), strict=True)):
            stopped_by: Literal["", "end", "length"] = ""
            if token in codec.stop:
                stopped_by = "end"
            elif generated == rows.limits[place]:
                stopped_by = "length"
            else:
                going.append(place)
            yield index, token, stopped_by
        if len(going) < len(rows.indices):
            rows = _keep(rows, going)
            chosen = chosen[torch.tensor(going, dtype=torch.long, device=chosen.device)]
        read_BT = ids_BT[going] if rows.cache is None else ids_BT[going, :0]
        ids_BT = torch.cat([read_BT, chosen[:, None]], dim=1)


def begin(
    model: Network, prompts: Sequence[Sequence[int]], indices: Sequence[int], codec: Reader, sampling: Sampling
) -> tuple[Rows, Tensor]:
    """The rows before the first forward, and their prompts padded on the left."""
    from transformers import DynamicCache

    longest = max(map(len, prompts))
    ids_BT = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask_BT = torch.zeros(len(prompts), longest, dtype=torch.long)
    for place, prompt in enumerate(prompts):
        ids_BT[place, longest - len(prompt) :] = torch.tensor(list(prompt), dtype=torch.long)
        mask_BT[place, longest - len(prompt) :] = 1
    rows = Rows(
        indices=list(indices),
        limits=[min(sampling.max_new_tokens, codec.context - len(prompt)) for prompt in prompts],
        generators=[torch.Generator().manual_seed(seed_for(sampling.seed, "answer", index)) for index in indices],
        mask_BT=mask_BT.to(model.device),
        padded=min(map(len, prompts)) < longest,
        cache=None if carries_a_state(model.network) else DynamicCache(config=model.network.config),
        seen_BV=None,
    )
    return rows, ids_BT.to(model.device)


@torch.inference_mode()
def _step(network: Any, rows: Rows, ids_BT: Tensor, sampling: Sampling) -> Tensor:
    """(B,) the next token of each row."""
    logits_BV = read(network, rows, ids_BT)
    if sampling.repetition_penalty != 1:
        rows.seen_BV = _seen(rows, ids_BT, logits_BV)
        logits_BV = penalise(logits_BV, rows.seen_BV, sampling.repetition_penalty)
    return choose(logits_BV, sampling, rows.generators)


@torch.inference_mode()
def read(network: Any, rows: Rows, ids_BT: Tensor) -> Tensor:
    """(B, V) float32 what follows each row's ids; the cache and the masks of `rows` grow by what was read."""
    known = rows.cache.get_seq_length() if rows.cache is not None else 0
    rows.mask_BT = torch.nn.functional.pad(rows.mask_BT, (0, known + ids_BT.shape[1] - rows.mask_BT.shape[1]), value=1)
    positions_BT = (rows.mask_BT.cumsum(dim=1) - 1).clamp(min=0)[:, -ids_BT.shape[1] :]
    with answering(network):
        output = network(
            input_ids=ids_BT, attention_mask=rows.mask_BT if rows.padded else None, position_ids=positions_BT,
            past_key_values=rows.cache, use_cache=rows.cache is not None, logits_to_keep=1,
        )
    logits_BV: Tensor = output.logits[:, -1].float()
    return logits_BV


@contextmanager
def answering(network: Any) -> Iterator[None]:
    """Nothing is dropped at random while the context lasts, and the head is not copied."""
    training = network.training
    if training:
        network.eval()
    # the last place of every prompt is a strided slice, for which torch would copy the head once a row: 20 s for 32
    hook = network.get_output_embeddings().register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))
    try:
        yield
    finally:
        hook.remove()
        if training:
            network.train()


def _seen(rows: Rows, ids_BT: Tensor, logits_BV: Tensor) -> Tensor:
    """(B, V) which tokens stand in the prompt or in the answer so far; padding is no token."""
    seen = torch.zeros_like(logits_BV, dtype=torch.bool) if rows.seen_BV is None else rows.seen_BV
    read_BT = rows.mask_BT[:, -ids_BT.shape[1] :].bool()
    place_BT = torch.arange(len(ids_BT), device=ids_BT.device)[:, None].expand_as(ids_BT)
    seen[place_BT[read_BT], ids_BT[read_BT]] = True
    return seen


@torch.inference_mode()
def _keep(rows: Rows, going: Sequence[int]) -> Rows:
    """The rows of the places in `going`; the others leave the cache, too."""
    places = torch.tensor(list(going), dtype=torch.long, device=rows.mask_BT.device)
    if going:
        rows.cache.batch_select_indices(places)
    return replace(
        rows,
        indices=[rows.indices[place] for place in going],
        limits=[rows.limits[place] for place in going],
        generators=[rows.generators[place] for place in going],
        mask_BT=rows.mask_BT[places],
        seen_BV=None if rows.seen_BV is None else rows.seen_BV[places],
    )
