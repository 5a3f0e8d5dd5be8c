"""Hidden words: a network that reads both ways learns what stands where a text was masked.

How an encoder is adapted to a language or a field, before it is taught labels. A base without a head for it gets a new
one, tied to its embedding, as transformers builds it. Source: Devlin 2018 (arXiv:1810.04805).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Given, Model
from ..encoding.batches import packing
from ..encoding.batches.packing import pack, placed, portions, unchanged
from ..encoding.documents import masking
from ..encoding.documents.masking import PART, Masking
from ..encoding.order import seed_for
from ..encoding.proofs.masking import proof
from ..encoding.tokens.codec import Codec
from ..losses.likelihood import negative_log_likelihood
from ..metrics import loss as loss_metric
from ..metrics import perplexity, token_accuracy
from ..records import Batch, Document, Example, Finding, Head, Loss, Order, Position, Prediction, Rows, Text

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Text,)
cut: Final = "between examples"
generates: Final = False
metrics: Final = (loss_metric, perplexity, token_accuracy)
prepare = unchanged
GUESSES: Final = 5
TOKENS: Final = 4096  # rows computed at once


class Settings(BaseModel):
    """What of a text is hidden. Of that 80% is masked, 10% another token, and 10% seen as it is (Devlin 2018)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    share: float = Field(default=0.15, gt=0, lt=1)
    """The share of a text's tokens that is hidden and learnt, drawn anew each time that the text is seen.

    Above 0, below 1. 0.15 is usual; try 0.3 for a larger model (Wettig 2023, arXiv:2202.08005).
    """

    whole_words: bool = True
    """Whether the tokens of a word are hidden together.

    `true` asks what a word is, and not how it is spelt on; `false` hides tokens one by one, as the first BERT did.
    """


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """The base's own head for hidden words, or a new one."""
    return Head("masked")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example its documents, with what is hidden of them when they are held out."""
    hiding = _masking(codec, settings)
    for made in masking.documents([_text(example) for example in examples], codec, hiding):
        yield made, []


def _masking(codec: Codec, settings: Settings) -> Masking:
    return Masking.by(codec, share=settings.share, whole_words=settings.whole_words)


def _text(example: Example) -> str:
    if isinstance(example, Text):
        return example.text
    raise TypeError(f"masked takes texts, not {type(example).__name__}")


def batches(
    model: Model, documents: Sequence[Document], settings: Settings, order: Order, position: Position, *, given: Given
) -> Iterator[Batch]:
    """The batches of every task, with other tokens hidden in each step: by the seed, the example and the step alone."""
    hiding = _masking(given.codec, settings)
    for batch in packing.batches(model, documents, settings, order, position, given=given):
        assert batch.after is not None
        step = batch.after.cursor["step"]
        draws = {example: np.random.default_rng(seed_for(order.seed, "mask", example, step))
                 for example in batch.example_ids}
        yield pack([hiding.hide(document, draws[document.example]) for document in batch.documents], after=batch.after)


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Negative log-likelihood of the hidden tokens, one term an example."""
    said_SV = model.outputs(batch, batch.supervised).log_softmax(-1)
    targets_S = batch.targets[batch.supervised]
    return negative_log_likelihood(said_SV.gather(1, targets_S[:, None])[:, 0], batch)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text with masks: its documents, whose weights tell what is asked, and whether the answers are known."""

    documents: list[Document]
    known: bool


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """The likeliest tokens for each mask of a text, the best first; of a text without masks for what is hidden of it.

    What is hidden is then what the text itself decides, the same in every run.
    """
    codec: Codec = given.codec
    hiding = _masking(codec, settings)
    asked = [_asked(_text(example), codec, hiding) for example in examples]
    every = [replace(document, example=place) for place, one in enumerate(asked) for document in one.documents]
    said: dict[int, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {place: [] for place in range(len(asked))}
    for together in portions(every, TOKENS):
        with torch.inference_mode():
            batch = placed(pack(together), model.device)
            found = model.outputs(batch, batch.supervised).softmax(-1).topk(GUESSES)
        shares, ids = found.values.double().cpu().numpy(), found.indices.cpu().numpy()
        borders = np.cumsum([0, *(int((document.weights > 0).sum()) for document in together)])
        for document, (start, end) in zip(together, pairwise(borders), strict=True):
            said[document.example].append((ids[start:end], shares[start:end]))
    for place, one in enumerate(asked):
        yield _prediction(place, one, np.concatenate([ids for ids, _ in said[place]]),
                          np.concatenate([shares for _, shares in said[place]]), codec)


def _asked(text: str, codec: Codec, hiding: Masking) -> _Asked:
    """The text with the masks that stand in it, else with those that it decides itself."""
    if codec.mask is not None and codec.token(codec.mask) in text:
        [documents] = masking.with_masks([text], codec)
        return _Asked(documents, False)
    [documents] = masking.documents([text], codec, hiding)
    return _Asked(documents, True)


def _prediction(
    place: int, asked: _Asked, ids_MK: NDArray[np.int64], shares_MK: NDArray[np.float64], codec: Codec
) -> Prediction:
    guesses = [[codec.token(index) for index in row] for row in ids_MK.tolist()]
    wanted = [codec.token(index) for document in asked.documents
              for index in document.targets[document.weights > 0].tolist()] if asked.known else []
    return Prediction(
        place, prompt=" ".join(codec.decode(_shown(document, codec)) for document in asked.documents),
        text=" ".join(row[0] for row in guesses), reference=" ".join(wanted),
        output={"tokens": guesses, "probabilities": shares_MK.tolist()},
        expected={"tokens": wanted} if asked.known else {},
    )


def _shown(document: Document, codec: Codec) -> list[int]:
    """The text's own ids, a mask in each place that is asked for."""
    asked = document.weights > 0
    assert codec.mask is not None
    ids = document.ids.copy()
    ids[asked] = codec.mask
    return [int(index) for index in ids[asked | (document.token_columns[PART] != masking.FRAME)]]


def baselines(
    model: Model, learnt: Rows, held: Rows, settings: Settings, *, given: Given
) -> Mapping[str, Sequence[Prediction]]:
    """None where the base has a head for it. Else `unigram`, which guesses by frequency, and the head untrained."""
    if not model.head_is_new:
        return {}
    codec: Codec = given.codec
    answered = list(predict(model, held.examples, settings, given=given, max_new_tokens=0, batch_size=0))
    return {"unigram": _unigram(learnt, held, answered, codec),
            "untrained head": [replace(one, term=term, weight=weight) for one, (term, weight) in zip(
                answered, _scored(model, held, settings), strict=True)]}


def _unigram(learnt: Rows, held: Rows, answered: Sequence[Prediction], codec: Codec) -> list[Prediction]:
    """Every hidden token guessed by how often tokens stand in the training rows, each counted once more (Laplace)."""
    counts = np.ones(codec.vocabulary)
    for document in learnt.documents:
        np.add.at(counts, document.targets[document.token_columns[PART] != masking.FRAME], 1)
    costs = np.log(counts.sum()) - np.log(counts)
    best = np.argsort(costs, kind="stable")[:GUESSES]
    guesses, shares = [codec.token(int(index)) for index in best], np.exp(-costs[best]).tolist()
    terms, weights = np.zeros(len(held.examples)), np.zeros(len(held.examples))
    for document in held.documents:
        asked = document.targets[document.weights > 0]
        terms[document.example] += costs[asked].sum()
        weights[document.example] += len(asked)
    return [replace(one, term=float(terms[place]), weight=float(weights[place]),
                    text=" ".join(guesses[0] for _ in one.output["tokens"]),
                    output={"tokens": [guesses] * len(one.output["tokens"]),
                            "probabilities": [shares] * len(one.output["tokens"])})
            for place, one in enumerate(answered)]


def _scored(model: Model, held: Rows, settings: Any) -> list[tuple[float, float]]:
    """Of each example the loss in nats and its weight."""
    found = {place: (0.0, 0.0) for place in range(len(held.examples))}
    for together in portions(held.documents, TOKENS):
        with torch.inference_mode():
            batch = placed(pack(together), model.device)
            result = loss(model, batch, settings)
        found |= dict(zip(batch.example_ids, zip(result.terms.tolist(), result.weights.tolist(), strict=True),
                          strict=True))
    return [found[place] for place in range(len(held.examples))]
