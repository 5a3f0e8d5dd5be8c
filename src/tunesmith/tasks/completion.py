"""Plain text: the model learns to go on with it, without any template.

A text is learnt whole, its end included. Of a pair (prompt, answer) the answer is learnt, or both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ..contracts import Given, Model
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents import plain
from ..encoding.proofs.chat import of_text as proof
from ..encoding.tokens.codec import Codec
from ..generation.decode import generate
from ..generation.sampling import Sampling
from ..losses.likelihood import negative_log_likelihood
from ..metrics import bits_per_byte, exact_match, perplexity, rouge_l
from ..metrics import loss as loss_metric
from ..models.heads import causal as head
from ..models.heads import no_baselines as baselines
from ..records import Batch, Document, Example, Finding, Head, Loss, Pair, Prediction, Text

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Text, Pair)
cut: Final = "between examples"
generates: Final = True
metrics: Final = (loss_metric, perplexity, bits_per_byte, exact_match, rouge_l)
prepare = unchanged


class Settings(BaseModel):
    """What of the text is learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    learn: Literal["completion", "all"] = "completion"
    """Of rows with a prompt and an answer: learn the answer only (`completion`), or both (`all`).

    Rows of plain text are always learnt whole. Try `all` where the prompts are text that the model should know.
    """


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example one document: the text and its end."""
    plain.foresee((text for example in examples for text in _texts(example, settings)), codec)
    for example in examples:
        yield [_document(example, codec, settings)], []


def _texts(example: Example, settings: Settings) -> tuple[str, ...]:
    if isinstance(example, Text):
        return (example.text,)
    if isinstance(example, Pair):
        whole = example.prompt + example.answer
        return (whole,) if settings.learn == "all" else (example.prompt, whole)
    raise TypeError(f"completion takes texts and pairs, not {type(example).__name__}")


def _document(example: Example, codec: Codec, settings: Settings) -> Document:
    texts = _texts(example, settings)
    if isinstance(example, Pair) and len(texts) > 1:
        return plain.pair_document(example.prompt, example.answer, codec)
    return plain.text_document(texts[-1], codec)


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Negative log-likelihood of the learnt tokens, one term an example."""
    return negative_log_likelihood(model.log_probabilities(batch), batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What the model writes, greedily, after each pair's prompt. Plain texts have no answer to compare with.

    A prompt that is empty or fills the base's context has no prediction.
    """
    codec: Codec = given.codec
    pairs = {place: example for place, example in enumerate(examples) if isinstance(example, Pair)}
    encoded = {place: plain.prompt(pair.prompt, codec).ids for place, pair in pairs.items()}
    places = [place for place, ids in encoded.items() if 0 < len(ids) < codec.context]
    prompts = [encoded[place] for place in places]
    sampling = Sampling(max_new_tokens=max_new_tokens)
    for index, answer in generate(model, codec, prompts, sampling, batch_size=batch_size):
        pair = pairs[places[index]]
        yield Prediction(
            example=places[index],
            prompt=pair.prompt,
            text=answer.text,
            reference=pair.answer,
            stopped_by=answer.stopped_by,
            tokens=answer.tokens,
        )
