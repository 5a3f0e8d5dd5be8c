"""Heads: which of transformers' models a task trains, what of it is new, and what it says of hidden states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import Refusal
from ..records import Example, Head, Prediction, Rows
from .offline import opening, transformers
from .pretrained import Base

AUTO: Final = {
    "causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM", "encoder-decoder": "AutoModelForSeq2SeqLM",
    "sequence": "AutoModelForSequenceClassification", "token": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering", "none": "AutoModel",
}
WRITING: Final = ("causal", "encoder-decoder")  # heads that a base was trained with: an adapter may leave them be
PROBLEMS: Final = {"single": "single_label_classification", "multi": "multi_label_classification",
                   "regression": "regression"}


def causal(examples: Sequence[Example], settings: Any) -> Head:
    """The base's own head, which writes text: what a task needs that has no labels."""
    return Head("causal")


def encoder_decoder(examples: Sequence[Example], settings: Any) -> Head:
    """The base's own head, which writes one text for another."""
    return Head("encoder-decoder")


def no_baselines(model: Any, learnt: Rows, held: Rows, settings: Any, *, given: Any) -> Mapping[str, Any]:
    """None: the base itself can be asked, so tuned is held against it."""
    found: Mapping[str, Sequence[Prediction]] = {}
    return found


def architecture(base: Base, head: Head) -> type:
    """The class of transformers' models that the base is with such a head. Raises Refusal where there is none."""
    library = transformers()
    with opening(base.folder):
        config = library.AutoConfig.from_pretrained(base.folder, local_files_only=True, trust_remote_code=False)
    known = getattr(library, AUTO[head.kind])._model_mapping
    if type(config) not in known and head.kind == "encoder-decoder":
        raise Refusal("base.no_head", f"`{base.name}` ({base.architecture}) does not read one text and write another",
                      "base.name", "use a base such as T5, BART or NLLB, or `task: chat`, which takes the same rows")
    if type(config) not in known:
        raise Refusal("base.no_head", f"`{base.name}` ({base.architecture}) has no model in transformers for a head of "
                      f"the kind `{head.kind}`", "base.name", "use another base, such as `minilm-l6` for labels and "
                      "tags, or another task")
    found = known[type(config)]
    return found[0] if isinstance(found, tuple) else found  # type: ignore[no-any-return]


def configuration(head: Head) -> dict[str, Any]:
    """What the head adds to the network's configuration; the names of its labels travel with the weights."""
    if head.kind == "span" and not head.labels:
        return {"num_labels": 2}  # a base that was tuned for labels says another number
    if not head.labels and head.problem != "regression":
        return {}
    names = head.labels or ("LABEL_0",)
    added: dict[str, Any] = {"num_labels": len(names), "id2label": dict(enumerate(names)),
                             "label2id": {name: number for number, name in enumerate(names)}}
    return added | ({"problem_type": PROBLEMS[head.problem]} if head.problem in PROBLEMS else {})


def own(network: Any, *, every_name: bool = False) -> set[str]:
    """The names of the weights that are the head's own: neither of the network under it, nor tied to it.

    every_name: all names of a weight that has several, as the bias of a masked head has.
    """
    under = network.base_model
    if under is network:
        return set()
    shared = {id(weight) for weight in under.parameters()}
    weights = network.named_parameters(remove_duplicate=not every_name)
    return {name for name, weight in weights if id(weight) not in shared}


def pooler(network: Any) -> set[str]:
    """The names of the weights between a network's states and some of its heads; a base of another head lacks them."""
    poolers = [module for name, module in network.named_modules() if name.rpartition(".")[2] == "pooler"]
    inside = {id(weight) for module in poolers for weight in module.parameters()}
    return {name for name, weight in network.named_parameters() if id(weight) in inside}


def learn(network: Any, learning: Sequence[str]) -> tuple[str, ...]:
    """Make every weight of the head learn; returns the names of those that do not learn already."""
    more = sorted(own(network) - set(learning))
    weights = dict(network.named_parameters())
    for name in more:
        weights[name].requires_grad_(True)
    return tuple(more)


def attach(network: Any, head: Head, adapter: Any, settings: Any, *, seed: int) -> tuple[str, ...]:
    """Make the network learn as the adapter says, its head with it; returns the names of what learns.

    Without a head the states are what is read, and a pooler behind them learns nothing.
    """
    names: tuple[str, ...] = adapter.attach(network, settings, seed=seed)
    if head.kind == "none":
        spare = pooler(network)
        for name in spare:
            network.get_parameter(name).requires_grad_(False)
        return tuple(name for name in names if name not in spare)
    return (*names, *learn(network, names)) if head.kind not in WRITING and names else names


def read(network: Any, states_RH: Tensor, head: Head) -> Tensor:
    """(R, L) float32 what the network's own head says of hidden states, the network under it not asked again.

    Of a `sequence` head each state is what stands for a document. The code that runs is transformers' own.
    """
    alone = head.kind == "sequence"
    if alone and _reads_last(network):
        return _wide(network.score(states_RH))
    laid = states_RH[:, None] if alone else states_RH[None]
    with _standing_in(network, laid):
        found = network(inputs_embeds=laid)
    if head.kind == "span":
        outputs = torch.stack([found.start_logits[0], found.end_logits[0]], dim=-1)
    else:
        outputs = found.logits if alone else found.logits[0]
    return _wide(outputs)


def _wide(outputs: Tensor) -> Tensor:
    return outputs if outputs.dtype == torch.float64 else outputs.float()


@contextmanager
def _standing_in(network: Any, states: Tensor) -> Iterator[None]:
    """The network under the head answers with these states while the context lasts."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    under = network.base_model
    parts = dict(under.named_children())
    pooler = parts.get("pooler")

    def answer(*_: Any, **__: Any) -> Any:
        pooled = None if pooler is None else pooler(states)
        if isinstance(pooler, torch.nn.Linear):  # ALBERT's pooler is only the first half of it
            pooled = parts["pooler_activation"](pooler(states[:, 0]))
        return BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=pooled)

    under.forward = answer
    try:
        yield
    finally:
        del under.forward


def stands_for_document(network: Any, borders: Sequence[int], device: torch.device) -> Tensor:
    """(D,) the row whose state a `sequence` head reads: the first of each document, or the last where none sees on."""
    rows = [end - 1 for end in borders[1:]] if _reads_last(network) else list(borders[:-1])
    return torch.tensor(rows, dtype=torch.int64, device=device)


def _reads_last(network: Any) -> bool:
    """Whether a `sequence` head is that of a causal network, by transformers' name for it: a product and no more."""
    return "score" in dict(network.named_children())
