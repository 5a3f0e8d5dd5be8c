"""Several tasks on one network: each source of rows is learnt by a task of its own, with a head of its own.

The rows of `data.train` are learnt by the part `train`, those of `data.mix.NAME` by the part NAME. In every step a
part's mean loss counts by the share of its rows, however many tokens or labels these have: else five thousand tokens
would drown eight labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final, get_args

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Given, Model, Proof
from ..encoding.batches import packing
from ..encoding.batches.packing import pack, placed, unchanged
from ..encoding.tokens.codec import Codec
from ..errors import Misuse, raise_all
from ..models.heads import no_baselines as baselines
from ..recipe import Section
from ..recipe.sources import MAIN
from ..recipe.starred import Choice
from ..records import (
    Batch,
    Document,
    Example,
    Finding,
    Head,
    Loss,
    Order,
    Position,
    Prediction,
    Rows,
)

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = get_args(Example)
cut: Final = "between examples"
generates: Final = False
metrics: Final = ()  # each part has its own
prepare = unchanged
PART: Final = "part"
SCALE: Final = "scale"


class Settings(BaseModel):
    """Which task learns which rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True,
                              arbitrary_types_allowed=True)

    parts: dict[str, Annotated[Section, Choice("task", within=True)]] = Field(default_factory=dict)
    """The task of each source: `train` for the rows of `data.train`, and the name of each source of `data.mix`.

    `{train: classify, entities: {type: tag}}`. Each has a head of its own on the same network, unless all of them write
    text (`chat`, `completion`), which share the base's.
    """


def part_of(example: Example) -> str:
    """The name of the part that learns an example."""
    return example.source or MAIN


def head(examples: Sequence[Example], settings: Settings) -> Head:
    """The head of every part, from its own rows. Raises Misuse where parts and sources do not fit together."""
    of: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        of[part_of(example)].append(example)
    raise_all(list(_misfits(of, settings)))
    heads = {name: part.module.head(of[name], part.settings) for name, part in settings.parts.items()}
    kinds = {each.kind for each in heads.values()}
    if kinds == {"causal"}:
        return Head("causal")
    return Head("several", parts=heads)


def _misfits(of: Mapping[str, Sequence[Example]], settings: Settings) -> Iterator[Misuse]:
    for name in dict.fromkeys([*of, *settings.parts]):
        option = "data.train" if name == MAIN else f"data.mix.{name}"
        if name not in settings.parts:
            yield Misuse("task.parts", f"no part learns the rows of `{option}`", "task.parts",
                         f"add `{name}: TASK` to `task.parts`")
            continue
        part = settings.parts[name]
        if name not in of:
            yield Misuse("task.parts", f"the part `{name}` has no rows", f"task.parts.{name}",
                         f"add `data.mix.{name}`, or take the part out")
        elif strange := next((each for each in of[name] if not isinstance(each, part.module.takes)), None):
            yield Misuse("task.examples", f"the part `{name}` ({part.type}) does not take the "
                         f"{type(strange).__name__.lower()}s of `{option}`", strange.where, "name another task there")
        if part.module.cut == "whole":
            yield Misuse("task.parts", f"`{part.type}` compares the rows of a step with one another, and cannot be a "
                         "part of several", f"task.parts.{name}", "tune it in a run of its own")


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Each example as its part encodes it, its columns under the part's name."""
    of: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        of[part_of(example)].append(example)
    made = {name: settings.parts[name].module.encode(some, codec, settings.parts[name].settings, _head(head, name))
            for name, some in of.items()}
    for example in examples:
        name = part_of(example)
        documents, findings = next(made[name])
        yield [_marked(document, name, settings) for document in documents], findings


def _head(head: Head, name: str) -> Head:
    return head.parts.get(name, head)


def _marked(document: Document, name: str, settings: Settings) -> Document:
    own = {f"{name}/{column}": values for column, values in document.document_columns.items()}
    tokens = {f"{name}/{column}": values for column, values in document.token_columns.items()}
    place = np.asarray(list(settings.parts).index(name), np.int64)
    return replace(document, token_columns=tokens, document_columns={**own, PART: place})


def _plain(document: Document, name: str) -> Document:
    """The document as its part made it."""
    start = f"{name}/"
    return replace(
        document,
        token_columns={column.removeprefix(start): values for column, values in document.token_columns.items()
                       if column.startswith(start)},
        document_columns={column.removeprefix(start): values for column, values in document.document_columns.items()
                          if column.startswith(start)})


def own(rows: Rows, name: str) -> Rows:
    """The rows of one part, as its task knows them."""
    places = [place for place, example in enumerate(rows.examples) if part_of(example) == name]
    at = {place: number for number, place in enumerate(places)}
    return Rows([rows.examples[place] for place in places],
                [replace(_plain(document, name), example=at[document.example])
                 for document in rows.documents if document.example in at])


class Proofs:
    """The proof of every part, each for its own examples."""

    def __init__(self, of: Mapping[str, Proof]) -> None:
        self._of = of

    def prove(self, made: Sequence[Document], example: Example) -> Sequence[Finding]:
        """What the part's own proof says of its documents."""
        name = part_of(example)
        return self._of[name].prove([_plain(document, name) for document in made], example)

    def notes(self) -> Sequence[Finding]:
        """What the parts' proofs noticed of many."""
        return [finding for proof in self._of.values() for finding in proof.notes()]


def proof(codec: Codec, head: Head, settings: Settings) -> Proofs:
    """The proofs of the parts."""
    return Proofs({name: part.module.proof(codec, _head(head, name), part.settings)
                   for name, part in settings.parts.items()})


def batches(
    model: Model, documents: Sequence[Document], settings: Settings, order: Order, position: Position, *, given: Given
) -> Iterator[Batch]:
    """The default's batches, every document with what its part's loss is multiplied by in this step.

    That is the part's share of the rows, over the weight that all of its documents in the step have together.
    """
    for batch in packing.batches(model, documents, settings, order, position, given=given):
        rows: dict[int, set[int]] = defaultdict(set)
        weights: dict[int, float] = defaultdict(float)
        for document in batch.documents:
            rows[_part(document)].add(document.example)
            weights[_part(document)] += float(document.weights.sum())
        whole = sum(map(len, rows.values()))
        scales = {part: len(some) / whole / weights[part] for part, some in rows.items()}
        yield pack([replace(each, document_columns={**each.document_columns, SCALE: np.asarray(scales[_part(each)])})
                    for each in batch.documents], after=batch.after)


def _part(document: Document) -> int:
    return int(document.document_columns[PART])


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Every part's own loss of its documents; of a batch to train on, by the part's share."""
    terms = torch.zeros(len(batch.example_ids), device=model.device)
    weights = torch.zeros_like(terms)
    at = {example: place for place, example in enumerate(batch.example_ids)}
    for number, (name, part) in enumerate(settings.parts.items()):
        own = [document for document in batch.documents if _part(document) == number]
        if not own:
            continue
        packed = placed(pack([_plain(document, name) for document in own]), model.device)
        found = part.module.loss(model.part(name), packed, part.settings)
        scale = float(own[0].document_columns.get(SCALE, 1.0))
        places = torch.tensor([at[example] for example in packed.example_ids], device=model.device)
        terms = terms.to(found.terms.dtype).index_add(0, places, found.terms * scale)
        weights = weights.to(found.weights.dtype).index_add(0, places, found.weights * scale)
    return Loss(terms, weights)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What the part of each example says of it."""
    of: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        of[part_of(example)].append(place)
    for name, places in of.items():
        part = settings.parts[name]
        for said in part.module.predict(
            model.part(name), [examples[place] for place in places], part.settings, given=given,
            max_new_tokens=max_new_tokens, batch_size=batch_size,
        ):
            yield replace(said, example=places[said.example])
