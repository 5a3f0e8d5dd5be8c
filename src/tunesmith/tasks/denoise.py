"""Gaps in a text, filled by an encoder-decoder: how T5 is adapted to a language or a field, before it is taught pairs.

Spans of tokens are taken out and a sentinel stands in the place of each; what is learnt is each sentinel and the span
after it. Source: Raffel et al. 2020, "Exploring the limits of transfer learning with a unified text-to-text
transformer", section 3.1.4; how spans are drawn is `random_spans_noise_mask` of its authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Given, Model
from ..encoding.batches import packing
from ..encoding.batches.packing import pack, unchanged
from ..encoding.documents import source_target
from ..encoding.documents.shift import NO_TARGET
from ..encoding.documents.source_target import SOURCE, TARGET
from ..encoding.order import seed_for
from ..encoding.tokens.codec import Codec
from ..errors import Refusal
from ..generation.beams import Asked, Search, generate
from ..losses.likelihood import negative_log_likelihood
from ..metrics import loss as loss_metric
from ..metrics import perplexity
from ..models.heads import encoder_decoder as head
from ..models.heads import no_baselines as baselines
from ..records import OF_TARGET, Batch, Document, Example, Finding, Head, Loss, Order, Position, Prediction, Text

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Text,)
cut: Final = "between examples"
generates: Final = True
metrics: Final = (loss_metric, perplexity)
prepare = unchanged
SENTINEL: Final = "<extra_id_{}>"


class Settings(BaseModel):
    """How much of a text is taken out, and in how long spans."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    share: float = Field(default=0.15, gt=0, lt=0.9)
    """The share of a text's tokens that is taken out and learnt, drawn anew each time that the text is seen.

    Above 0, below 0.9. 0.15 is T5's.
    """

    span: float = Field(default=3.0, ge=1, le=100)
    """The mean length of a span, in tokens: 1 to 100. 3 is T5's; longer ones ask for more than spelling."""


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Where gaps may come: the sentinels in their order, what closes a text, and the most tokens of a part."""

    sentinels: tuple[int, ...]
    closing: tuple[int, ...]
    longest: int
    settings: Settings

    def cut(self, ids: NDArray[np.int64], draw: np.random.Generator) -> Document:
        """The ids with spans of them taken out."""
        borders = _borders(len(ids), self.settings, len(self.sentinels) - 1, draw)
        source: list[int] = []
        target: list[int] = []
        for number, (start, end) in enumerate(pairwise(borders)):
            (target if number % 2 else source).extend(ids[start:end].tolist())
            if number % 2 == 0:  # what is kept comes first, and the gap after it gets a sentinel
                source.append(self.sentinels[number // 2])
                target.append(self.sentinels[number // 2])
        source, target = [*source, *self.closing], [*target, self.sentinels[len(borders) // 2], *self.closing]
        part = np.repeat(np.asarray([SOURCE, TARGET]), [len(source), len(target)])
        every = np.asarray([*source, *target])
        return Document(every, np.where(part == TARGET, every, NO_TARGET), (part == TARGET).astype(np.float32), 0,
                        token_columns={OF_TARGET: part}, both_ways=True)

    def whole(self, document: Document) -> NDArray[np.int64]:
        """The ids that a document was cut from."""
        part = document.token_columns[OF_TARGET]
        source, target = (document.ids[part == each][: -len(self.closing) or None] for each in (SOURCE, TARGET))
        spans = np.split(target, np.flatnonzero(np.isin(target, self.sentinels)))[1:]
        kept = np.split(source, np.flatnonzero(np.isin(source, self.sentinels)))
        return np.concatenate([kept[0], *(np.concatenate([span[1:], rest[1:]])
                                          for span, rest in zip(spans, kept[1:], strict=False))])


def _borders(length: int, settings: Settings, most: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Where kept and taken stretches begin, in turns, a kept one first; and the end of the last.

    As many tokens are taken as the share says, at least one and never all, in spans of the mean length wanted.
    """
    taken = min(max(round(length * settings.share), 1), length - 1)
    spans = min(max(round(taken / settings.span), 1), length - taken, most)

    def parted(tokens: int) -> NDArray[np.int64]:
        places = np.sort(draw.choice(tokens - 1, spans - 1, replace=False)) + 1
        return np.diff(np.concatenate([[0], places, [tokens]]))

    return np.concatenate([[0], np.cumsum(np.stack([parted(length - taken), parted(taken)], 1).reshape(-1))])


def _gaps(codec: Codec, settings: Settings) -> _Gaps:
    """As the base's tokenizer marks gaps. Raises Refusal for one that has fewer than two sentinels."""
    names = [SENTINEL.format(number) for number in range(len(codec.control))]
    found = tuple(codec.control[name] for name in names if name in codec.control)
    if len(found) < 2:
        raise Refusal("base.no_sentinels", "the base's tokenizer has no sentinels, such as `<extra_id_0>`, to stand in "
                      "the place of a gap", "base.name", "use a base of T5's family, or add some by "
                      "`base.special_tokens.additional`")
    return _Gaps(found, source_target.opening("", codec)[1], codec.longest, settings)


def _texts(examples: Sequence[Example], codec: Codec) -> list[NDArray[np.int64]]:
    framed = codec.frames.texts([example.text for example in examples if isinstance(example, Text)])
    return [each.ids[each.text_of >= 0] for each in framed]


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each text its documents, with gaps that only the text decides; a long one goes on in the next document.

    A text of a single token has nothing to keep beside a gap: it is told, and not learnt.
    """
    gaps = _gaps(codec, settings)
    room = max(3, int((gaps.longest - 2 * len(gaps.closing) - 3) / (1 + 2 * settings.share / settings.span)))
    for example, ids in zip(examples, _texts(examples, codec), strict=True):
        draw = np.random.default_rng(seed_for(0, "gaps", getattr(example, "text", "")))
        made = [gaps.cut(part, draw) for part in np.array_split(ids, max(1, math.ceil(len(ids) / room)))
                if len(part) > 1]
        yield made, [] if made else [Finding(
            "warning", "row.short", "the text has less than two tokens: there is no gap to fill", example.where,
            "take it out, or join it with its neighbours by `data.documents`")]


def batches(
    model: Model, documents: Sequence[Document], settings: Settings, order: Order, position: Position, *, given: Given
) -> Iterator[Batch]:
    """The batches of every task, with other gaps in each step: by the seed, the example and the step alone."""
    gaps = _gaps(given.codec, settings)
    for batch in packing.batches(model, documents, settings, order, position, given=given):
        assert batch.after is not None
        step = batch.after.cursor["step"]
        draws = {each: np.random.default_rng(seed_for(order.seed, "gaps", each, step)) for each in batch.example_ids}
        yield pack([replace(gaps.cut(gaps.whole(document), draws[document.example]), example=document.example)
                    for document in batch.documents], after=batch.after)


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Negative log-likelihood of sentinels and spans, one term an example."""
    return negative_log_likelihood(model.log_probabilities(batch), batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What the model writes for the gaps of each text: those that the text itself decides."""
    codec: Codec = given.codec
    made = [documents[0] if documents else None for documents, _ in encode(examples, codec, settings, Head())]
    places = [place for place, document in enumerate(made) if document is not None]
    before, after = source_target.opening("", codec)
    asked = [Asked(_part(made[place], SOURCE), before, after) for place in places]
    for index, answer in generate(model, codec, asked, Search(max_new_tokens, 1, 1.0), batch_size=batch_size):
        yield Prediction(places[index], prompt=codec.decode(asked[index].source), text=answer.text,
                         reference=codec.decode(_part(made[places[index]], TARGET)), stopped_by=answer.stopped_by,
                         tokens=answer.tokens)


def _part(document: Document | None, part: int) -> list[int]:
    assert document is not None
    ids: list[int] = document.ids[document.token_columns[OF_TARGET] == part].tolist()
    return ids


class _Proof:
    """Fills the gaps again, and holds the result against the row's own tokens."""

    def __init__(self, codec: Codec, settings: Settings) -> None:
        self._codec, self._gaps = codec, _gaps(codec, settings)

    def prove(self, made: Sequence[Document], example: Example) -> list[Finding]:
        """An error where the documents, their gaps filled, are not the text, or the spans alone are not learnt."""
        assert isinstance(example, Text)
        found = [index for document in made for index in self._gaps.whole(document).tolist()]
        aimed = all(((document.token_columns[OF_TARGET] == TARGET) == (document.weights > 0)).all()
                    for document in made)
        if aimed and found == self._codec.encode(example.text).ids:
            return []
        return [Finding("error", "row.gaps", "the gaps, filled again, do not give the row's text", example.where,
                        "report this with the row: the run is refused so that nothing wrong is learnt")]

    def notes(self) -> list[Finding]:
        """Nothing that rows share."""
        return []


def proof(codec: Codec, head: Head, settings: Any) -> _Proof:
    """The proof of the task `denoise`."""
    return _Proof(codec, settings)
