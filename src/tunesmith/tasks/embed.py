"""Pairs of texts that belong together, or are scored: each text becomes one vector, and near means alike.

Of a pair (prompt, answer) the answer is near, and the answers of the batch's other pairs are far. Pairs with a score
teach so from `threshold` on, or teach their score itself. A batch is never cut, as its pairs depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor

from ..contracts import Given, Model
from ..encoding.batches import packing
from ..encoding.batches.apart import apart
from ..encoding.batches.flat import column_of, examples_of
from ..encoding.documents import sentences
from ..encoding.documents.lengths import Lengths
from ..encoding.documents.sentences import Proof as proof
from ..encoding.tokens.codec import Codec
from ..errors import Misuse, Refusal
from ..losses import contrast
from ..metrics import _ranks, mrr, pearson, recall_at_1, recall_at_10, spearman
from ..models import sentence_files
from ..models.heads import no_baselines as baselines
from ..models.vectors import of_documents
from ..records import Batch, Document, Example, Finding, Head, Labelled, Loss, Order, Pair, Position, Prediction, Text

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Pair, Labelled, Text)  # a text by itself can be asked for its vector
cut: Final = "whole"
generates: Final = False
metrics: Final = (spearman, pearson, mrr, recall_at_1, recall_at_10)  # the first two of scores, the others of answers


class Settings(BaseModel):
    """How texts become vectors, and what makes two of them alike."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    loss: Literal["contrastive", "cosine", "cosent"] = "contrastive"
    """What is learnt of a pair: `contrastive`, `cosine` or `cosent`; the last two take pairs with a score.

    `contrastive`: each text finds its own partner among all of the batch, so a larger `training.batch_size` teaches
    more. `cosine`: the cosine becomes the score. `cosent`: the cosines come into the order of the scores. Try `cosent`
    where scores are given, and `contrastive` for searching.
    """
    temperature: float = Field(default=0.05, gt=0, le=1)
    """By how much cosines are divided before they are compared: above 0, up to 1; not for `cosine`.

    Lower looks at the nearest wrong texts only. Try 0.02 to 0.1.
    """
    symmetric: bool = False
    """Whether the second text must find the first one too; `contrastive` only. Try `true` for translations."""
    threshold: float | None = None
    """The score from which on a scored pair is one that belongs together; `contrastive` only.

    Pairs below it are not trained on, but held-out ones are measured. Try the upper third of the scores.
    """
    lowest: float = 0.0
    """The score of two texts that have nothing in common; its cosine is 0. Below `highest`."""
    highest: float = 1.0
    """The score of two texts that say the same; its cosine is 1. Above `lowest`; try 5 where scores run from 1 to 5."""
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    """Which states of a text make its vector: their `mean`, the first (`cls`), the last (`last`).

    `auto` takes what the base's own files for sentence-transformers say, else `mean`.
    """
    tokens_at_once: int = Field(default=2048, ge=1)
    """How many tokens are computed at once, 1 or more, where a batch has more of them: they then cost time, not memory.

    The numbers learnt are the same but for dropout. Try less where memory is short.
    """

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if self.lowest >= self.highest:
            raise PydanticCustomError("must", "{must}", {"must": "`lowest` must be below `highest`"})
        return self


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """None: a vector is made of the network's own states. Raises Refusal where scores are there and not asked for."""
    scored = next((each for each in examples if isinstance(each, Labelled) and each.labels is not None), None)
    if scored is not None and settings.loss == "contrastive" and settings.threshold is None:
        raise Refusal("task.threshold", "pairs have scores, and nothing says which of them belong together",
                      scored.where, "set `task.threshold` to the score from which on they do, or `task.loss` to "
                      "`cosent` or `cosine`")
    return Head("none")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each pair two documents, one a text."""
    pooling = sentence_files.chosen(settings.pooling, codec.pooling)
    texts = [sentences.texts_of(example) for example in examples]
    made = iter(sentences.documents(
        [text for both in texts for text in both], codec, pooling,
        [_score(example) for example, both in zip(examples, texts, strict=True) for _ in both]))
    for example, both in zip(examples, texts, strict=True):
        own, fault = [next(made) for _ in both], _fault(example, settings)
        yield ([], [fault]) if fault is not None else (own, _left_out(example, settings))


def _fault(example: Example, settings: Settings) -> Finding | None:
    """Why nothing can be learnt of an example."""
    if len(sentences.texts_of(example)) < 2:
        return Finding("error", "row.one_text", "there is one text only, and a vector is learnt from pairs of them",
                       example.where, "give the other text, in `data.columns` if it has another name")
    try:
        score = sentences.score_of(example)
    except ValueError:
        assert isinstance(example, Labelled)
        return Finding("error", "row.score", f"{', '.join(example.labels or ())!r} is no score", example.where,
                       "write one number, or name the column of the scores in `data.columns`")
    if score is None and settings.loss != "contrastive":
        return Finding("error", "row.score", f"the pair has no score, and `{settings.loss}` learns scores",
                       example.where, "give the row a score, or set `task.loss` to `contrastive`")
    if score is not None and settings.loss == "cosine" and not settings.lowest <= score <= settings.highest:
        return Finding("error", "row.score", f"the score {score:g} is not within {settings.lowest:g} and "
                       f"{settings.highest:g}", example.where, "set `task.lowest` and `task.highest`")
    return None


def _left_out(example: Example, settings: Settings) -> list[Finding]:
    if settings.loss != "contrastive" or settings.threshold is None or not _score(example) < settings.threshold:
        return []
    return [Finding("note", "task.threshold", f"a score below {settings.threshold:g}: measured where it is held out, "
                    "and not trained on", example.where, "lower `task.threshold` to train on more pairs")]


def _score(example: Example) -> float:
    """The score of a pair; no number where it has none, or what is none."""
    try:
        score = sentences.score_of(example)
    except ValueError:
        score = None
    return float("nan") if score is None else score


def prepare(model: Model, documents: Sequence[Document], settings: Settings) -> Sequence[Document]:
    """The documents of pairs that are trained on: of scored ones, with `contrastive`, those from the threshold on.

    Raises Misuse where none is left.
    """
    if settings.loss != "contrastive" or settings.threshold is None:
        return documents
    kept = [document for document in documents
            if not float(document.document_columns[sentences.SCORE]) < settings.threshold]
    if not kept:
        raise Misuse("task.threshold", f"no pair has a score of {settings.threshold:g} or more", "task.threshold",
                     "lower it")
    return documents if len(kept) == len(documents) else kept


def batches(
    model: Model, documents: Sequence[Document], settings: Settings, order: Order, position: Position, *, given: Given
) -> Iterator[Batch]:
    """Pairs, equal texts as far from each other as can be. Raises Misuse where a batch would hold one pair only."""
    if settings.loss != "cosine" and order.batch_size < 2:
        raise Misuse("task.batch_size", f"`{settings.loss}` compares the pairs of a batch, and each holds one",
                     "training.batch_size", "set it to 2 or more; 32 is usual")
    texts: dict[int, list[int]] = {}
    columns = examples_of(documents).tolist(), column_of(documents, sentences.TEXT).tolist()
    for example, text in zip(*columns, strict=True):
        texts.setdefault(example, []).append(text)
    return packing.batches(model, documents, settings, order, position, given=given,
                           arrange=lambda drawn: apart(drawn, texts, order.batch_size))


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """One term an example, in nats, or in squared cosines; a pair below the threshold has no weight."""
    vectors = of_documents(model, batch.documents, tokens=settings.tokens_at_once)
    scores_K = batch.document_columns[sentences.SCORE][0::2].to(vectors)
    counts_K = torch.ones_like(scores_K)
    if settings.loss == "contrastive" and settings.threshold is not None:
        counts_K = (~(scores_K < settings.threshold)).to(vectors)
    kept = torch.nonzero(counts_K).flatten()
    texts_K2 = batch.document_columns[sentences.TEXT].view(-1, 2)
    terms = _terms(vectors[0::2][kept], vectors[1::2][kept], texts_K2[kept], scores_K[kept], settings=settings)
    example_K, empty_E = batch.examples[0::2], vectors.new_zeros(len(batch.example_ids))
    return Loss(empty_E.index_add(0, example_K[kept], terms), empty_E.index_add(0, example_K, counts_K))


def _terms(first: Tensor, second: Tensor, texts_K2: Tensor, scores_K: Tensor, *, settings: Settings) -> Tensor:
    if settings.loss == "contrastive":
        return contrast.in_batch(first, second, texts_K2, temperature=settings.temperature,
                                 symmetric=settings.symmetric)
    if settings.loss == "cosent":
        return contrast.order(first, second, scores_K, temperature=settings.temperature)
    wanted = (scores_K - settings.lowest) / (settings.highest - settings.lowest)
    return contrast.squared_error(first, second, wanted)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """Of a text its `vector`; of two texts their cosine, as `value`.

    Where all held-out rows are asked, a prompt's answer also has its `rank` among the answers of all, from 1, and the
    cosine of a scored pair its `standing` among the cosines of all.
    """
    codec: Codec = given.codec
    texts = [sentences.texts_of(example) for example in examples]
    places, different = _ranks.numbered([text for both in texts for text in both])
    made = sentences.documents(different, codec, sentence_files.chosen(settings.pooling, codec.pooling))
    vectors = _vectors(model, made, codec, settings)
    unread = [max(0, len(document) - codec.longest) for document in made]
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    own = [places[start:end] for start, end in pairwise(starts)]
    found = _ranked(examples, own, vectors) if given.whole else {}
    cosines = {index: float(vectors[both[0]] @ vectors[both[1]]) for index, both in enumerate(own) if len(both) == 2}
    standings = _standings(examples, cosines) if given.whole else {}
    for index, (example, both) in enumerate(zip(examples, own, strict=True)):
        prompt = texts[index][0]
        if index not in cosines:
            yield Prediction(index, prompt=prompt, output={"vector": vectors[both[0]].tolist()}, unread=unread[both[0]])
            continue
        output: dict[str, Any] = {"value": cosines[index]}
        lost = sum(unread[place] for place in both)
        if isinstance(example, Pair):
            nearest = ""
            if index in found:
                output["rank"], place = found[index]
                nearest = different[place]
            yield Prediction(index, prompt=prompt, text=nearest, reference=texts[index][1], output=output,
                             expected={"rank": 1} if index in found else {}, unread=lost)
        else:
            output |= {"standing": standings[index]} if index in standings else {}
            expected = {} if np.isnan(score := _score(example)) else {"value": score}
            yield Prediction(index, prompt="\n".join(texts[index]), text=f"{cosines[index]:.3f}", output=output,
                             reference=f"{score:g}" if expected else "", expected=expected, unread=lost)


def _standings(examples: Sequence[Example], cosines: Mapping[int, float]) -> dict[int, float]:
    """How far each scored pair's cosine is from the mean of all of them, in their standard deviations.

    Cosines of two models are no numbers of one scale, and only numbers of one scale can change places between them.
    """
    scored = [index for index in cosines if not np.isnan(_score(examples[index]))]
    values = np.array([cosines[index] for index in scored])
    spread = float(values.std()) if scored else 0.0
    return {index: (cosines[index] - float(values.mean())) / spread if spread else 0.0 for index in scored}


def _vectors(model: Model, made: Sequence[Document], codec: Codec, settings: Settings) -> Tensor:
    """(N, H) on the CPU. A text that is too long loses its end, as in sentence-transformers."""
    short = Lengths(codec, max_length=codec.longest, too_long="cut")
    asked = Labelled("", None, "", "")
    fitting = [each for document in made for each in short.fit([document], asked)]
    with torch.inference_mode():
        return of_documents(model, fitting, tokens=settings.tokens_at_once).cpu()


def _ranked(
    examples: Sequence[Example], own: Sequence[Sequence[int]], vectors: Tensor
) -> dict[int, tuple[int, int]]:
    """For each prompt with an answer the rank of that answer, and the place of the text that is nearest."""
    asked = [index for index, example in enumerate(examples) if isinstance(example, Pair) and len(own[index]) == 2]
    answers, different = _ranks.numbered([own[index][1] for index in asked])
    right = _ranks.all_right([own[index][0] for index in asked], answers)
    prompts = vectors[[own[index][0] for index in asked]]
    found, nearest = _ranks.ranks(prompts, vectors[different], right)
    return {index: (rank, different[place]) for index, rank, place in zip(asked, found, nearest, strict=True)}
