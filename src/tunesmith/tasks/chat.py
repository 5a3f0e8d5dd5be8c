"""Conversations: the assistant's turns are learnt, the rest is context.

Each supervised turn is conditioned on exactly the ids that inference will give the model before that turn
(`encoding/documents/chat.py` says how), so training and serving cannot differ in their template.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..contracts import Given, Model
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents import chat as encoder
from ..encoding.proofs.chat import of_text as proof
from ..encoding.tokens.codec import Codec
from ..generation.decode import generate
from ..generation.sampling import Sampling
from ..losses.likelihood import negative_log_likelihood
from ..metrics import exact_match, perplexity, rouge_l
from ..metrics import loss as loss_metric
from ..models.heads import causal as head
from ..models.heads import no_baselines as baselines
from ..records import Batch, Conversation, Document, Example, Finding, Head, Loss, Message, Pair, Prediction

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Conversation, Pair)
cut: Final = "between examples"
generates: Final = True
metrics: Final = (loss_metric, perplexity, exact_match, rouge_l)
prepare = unchanged


class Settings(BaseModel):
    """Chat has no options of its own: the template, the system prompt and the turns stand under `data`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def conversation(example: Example) -> Conversation:
    """The example as turns; a pair is one turn of a user and its answer."""
    if isinstance(example, Conversation):
        return example
    if isinstance(example, Pair):
        turns = (Message("user", example.prompt), Message("assistant", example.answer))
        return Conversation(turns, example.where, example.group, example.source)
    raise TypeError(f"chat takes conversations and pairs, not {type(example).__name__}")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example, documents in which the assistant's turns are supervised, and what was noticed on the way."""
    conversations = [conversation(example) for example in examples]
    encoder.foresee(conversations, codec)
    for each in conversations:
        yield encoder.documents(each, codec)


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Negative log-likelihood of the assistant's tokens, one term an example."""
    return negative_log_likelihood(model.log_probabilities(batch), batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What the model answers, greedily, where each conversation's last assistant turn stands.

    A prompt that fills the base's context has no prediction.
    """
    codec: Codec = given.codec
    talks = [conversation(example) for example in examples]
    turns = [talk.messages for talk in talks]
    last = [max(place for place, turn in enumerate(messages) if turn.role == "assistant") for messages in turns]
    prompts = [encoder.prompt(talk.messages[:end], codec, talk.tools) for talk, end in zip(talks, last, strict=True)]
    fitting = [index for index, prompt in enumerate(prompts) if len(prompt.ids) < codec.context]
    asked = [prompts[index].ids for index in fitting]
    sampling = Sampling(max_new_tokens=max_new_tokens)
    for place, answer in generate(model, codec, asked, sampling, batch_size=batch_size):
        index = fitting[place]
        yield Prediction(
            example=index,
            prompt=turns[index][last[index] - 1].content if last[index] else "",
            text=answer.text,
            reference=encoder.answer(turns[index][: last[index] + 1], codec, talks[index].tools),
            stopped_by=answer.stopped_by,
            tokens=answer.tokens,
        )
