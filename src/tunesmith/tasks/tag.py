"""Words, each with a tag: names of people and places (NER), parts of speech, and other token classification.

The head says of the first piece of every word which tag it has; rows that are longer than a document may be are read
in windows that overlap, each word in the one that shows most around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..contracts import Given, Model
from ..data import schemes
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents.tagged import Window, placed, windows
from ..encoding.proofs import slips
from ..encoding.proofs.tagged import proof
from ..encoding.tokens.codec import Codec
from ..errors import Refusal
from ..losses.likelihood import negative_log_likelihood
from ..metrics import entity_f1, entity_f1_macro, entity_precision, entity_recall, word_accuracy
from ..models import asking, tag_baselines
from ..records import Batch, Document, Example, Finding, Head, Loss, Prediction, Rows, Tagged

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Tagged,)
cut: Final = "between examples"
generates: Final = False
metrics: Final = (entity_f1, entity_precision, entity_recall, entity_f1_macro, word_accuracy)
prepare = unchanged
TOGETHER: Final = 256  # rows: enough to put those of like length together, few enough to keep in memory


class Settings(BaseModel):
    """How tags are read, and how words in several pieces and long rows are learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    scheme: Literal["auto", "iob2", "iob1", "io", "bioes", "bilou", "types", "none"] = "auto"
    """How tags spell entities. `auto` sees it in the training rows and says it.

    `types` are tags such as `PER` and `O` without a letter before them; `none` are tags of which each stands for
    itself, such as parts of speech: then every word counts as an entity. Name it where `auto` sees it wrong.
    """

    broken: Literal["repair", "refuse"] = "repair"
    """What becomes of rows whose tags break the scheme: repair, and tell how many, or refuse them by name.

    Repaired tags say what the row's own said, read as seqeval reads them: an `I-` that nothing begins begins an entity.
    """

    learn: Literal["first", "all"] = "first"
    """Which pieces of a word are learnt: the first alone, or all of them. Predicted is always by the first."""

    overlap: int = Field(default=64, ge=0)
    """Tokens that two windows of a row share, where the row is longer than `training.max_length`.

    0 or more; at most half a window is shared. Try more where entities are missed in the middle of long rows.
    """

    strict: bool = False
    """Whether predicted entities count only where their tags keep to the scheme, as in seqeval's strict mode."""


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """The scheme and its labels: `O`, then by type all its tags. Raises Refusal where there is one tag only."""
    rows = []
    for row in _tagged(examples):
        if row.tags is None:
            raise Refusal("tags.missing", "the row has no tags", row.where, "give it tags, or take it out")
        rows.append(row.tags)
    scheme = schemes.recognise(rows) if settings.scheme == "auto" else settings.scheme
    names = schemes.labels(rows, scheme)
    if len(names) < 2:
        raise Refusal(
            "labels.one_class", f"every word of the training rows is tagged `{rows[0][0]}`, and telling apart takes "
            "two tags", examples[0].where,
            "give rows with other tags, or say in `data.format` which column they stand in")
    return Head("token", names, scheme=scheme)


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example its windows, with the tags of their own words as targets."""
    places = {label: place for place, label in enumerate(head.labels)}
    rows = _tagged(examples)
    for row, made in zip(rows, windows(rows, codec, settings.overlap), strict=True):
        wrong = _wrong(row, head, settings)
        if wrong:
            yield [], wrong
            continue
        targets = np.array([places[tag] for tag in schemes.mended(row.tags or (), head.scheme)], np.int64)
        for window in made:
            _teach(window, targets, settings)
        yield [window.document for window in made], []


def _tagged(examples: Sequence[Example]) -> list[Tagged]:
    return [example for example in examples if isinstance(example, Tagged)]  # `takes` lets nothing else in


def _wrong(row: Tagged, head: Head, settings: Settings) -> list[Finding]:
    """Why nothing can be learnt or measured of a row's tags."""
    if row.tags is None:
        return [Finding("error", "tags.missing", "the row has no tags", row.where, "give it tags, or take it out")]
    mended = schemes.mended(row.tags, head.scheme)
    if settings.broken == "refuse" and mended != list(row.tags):
        place = next(place for place, (was, now) in enumerate(zip(row.tags, mended, strict=True)) if was != now)
        return [Finding(
            "error", "tags.broken", f"word {place + 1}, `{row.words[place]}`, is tagged `{row.tags[place]}`, which the "
            f"scheme `{head.scheme}` does not have there; `{mended[place]}` would be right", row.where,
            "correct it, or set `task: {type: tag, broken: repair}`")]
    known = set(head.labels)
    return [
        Finding("error", "labels.unknown", f"word {place + 1}, `{row.words[place]}`, is tagged `{row.tags[place]}`, "
                "which no training row knows", row.where, _instead(tag, head))
        for place, tag in enumerate(mended) if tag not in known
    ][:1]


def _instead(tag: str, head: Head) -> str:
    near = slips.nearest(tag, head.labels, head.scheme)
    return slips.instead(tag, near) if near else "correct it, or give training rows with this tag"


def _teach(window: Window, targets_W: Any, settings: Settings) -> None:
    """Write the tags of a window's own words into its document."""
    document = window.document
    document.targets[window.at], document.weights[window.at] = targets_W[window.own], 1.0
    if settings.learn == "all":
        for word, start, end in zip(window.own, window.at, window.ends, strict=True):
            document.targets[start:end], document.weights[start:end] = targets_W[word], 1.0


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Cross entropy of the tags of what is learnt, one term an example."""
    said_SL = torch.log_softmax(model.outputs(batch, batch.supervised), dim=-1)
    return negative_log_likelihood(said_SL.gather(1, batch.targets[batch.supervised][:, None])[:, 0], batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """The likeliest tag of every word, and the entities that the tags spell."""
    for start in range(0, len(examples), TOGETHER):
        rows = _tagged(examples[start : start + TOGETHER])
        made = list(windows(rows, given.codec, settings.overlap))
        said = iter(asking.outputs(model, [window.document for parts in made for window in parts]))
        for place, (row, parts) in enumerate(zip(rows, made, strict=True), start):
            scores_WL = _scores(row, [(window, next(said)) for window in parts], len(model.head.labels))
            yield _prediction(place, row, scores_WL, model.head, settings)


def _scores(row: Tagged, said: Sequence[tuple[Window, Tensor]], labels: int) -> Tensor:
    """(W, L) probabilities of each word's tags; 0 for words that the tokenizer reads nothing of."""
    scores_WL = torch.zeros(len(row.words), labels)
    for window, outputs_TL in said:
        scores_WL[window.own] = torch.softmax(outputs_TL[window.at].float(), dim=-1)
    return scores_WL


def _prediction(place: int, row: Tagged, scores_WL: Tensor, head: Head, settings: Settings) -> Prediction:
    """What the probabilities say of a row, and what the row itself says."""
    best_W = scores_WL.max(dim=-1)
    tags = [head.labels[label] for label in best_W.indices.tolist()]
    output = _told(row, tags, head, best_W.values.tolist(), strict=settings.strict)
    text, _ = placed(row)
    if row.tags is None:
        return Prediction(place, prompt=text, text=_shown(output), output=output)
    expected = _told(row, schemes.mended(row.tags, head.scheme), head) | {
        "types": list(schemes.types(head.labels, head.scheme))}
    return Prediction(place, prompt=text, text=_shown(output), reference=_shown(expected), output=output,
                      expected=expected)


def _told(
    row: Tagged, tags: Sequence[str], head: Head, scores: Sequence[float] | None = None, *, strict: bool = False
) -> dict[str, Any]:
    """Tags and entities as they are written out; plain tags spell no entities."""
    sure = {"score": min(scores, default=1.0)} if scores is not None else {}  # of the word that is least so
    if head.scheme == schemes.NONE:
        return {"tags": list(tags), **sure}
    text, starts = placed(row)
    told = []
    for one in (schemes.strict if strict else schemes.entities)(tags, head.scheme):
        start, end = starts[one.first], starts[one.end - 1] + len(row.words[one.end - 1])
        score = {"score": float(np.mean(scores[one.first : one.end]))} if scores is not None else {}
        told.append({"type": one.type, "text": text[start:end], "start": start, "end": end,
                     "words": [one.first, one.end], **score})
    return {"entities": told, "tags": list(tags), **sure}


def _shown(told: Mapping[str, Any]) -> str:
    """For a person: the entities one after another, or plain tags as they stand."""
    if "entities" not in told:
        return " ".join(told["tags"])
    return "; ".join(f"{one['text']} ({one['type']})" for one in told["entities"]) or "no entities"


def baselines(
    model: Model, learnt: Rows, held: Rows, settings: Settings, *, given: Given
) -> Mapping[str, Sequence[Prediction]]:
    """`most frequent tag` of each word in the training rows, and a `linear probe` on the untuned base's states."""
    rows = _tagged(held.examples)
    made = list(windows(rows, given.codec, settings.overlap))
    seen = tag_baselines.most_frequent(_tagged(learnt.examples), model.head, rows)
    asked = [window.document for parts in made for window in parts]
    probed = iter(tag_baselines.linear_probe(model, learnt.documents, asked))
    said = (_scores(row, [(window, next(probed)) for window in parts], len(model.head.labels))
            for row, parts in zip(rows, made, strict=True))
    return {
        name: [_prediction(place, row, scores_WL, model.head, settings)
               for place, (row, scores_WL) in enumerate(zip(rows, each, strict=True))]
        for name, each in (("most frequent tag", seen), ("linear probe", said))
    }
