"""Examples to documents that are proved and fit, many at a time; of them only the tokens are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.ledger import Ledger
from ...encoding.batches.flat import Flat, Flattening
from ...encoding.documents.lengths import Lengths, TooLong
from ...encoding.proofs.chat import Supervision
from ...records import Document, Example, Finding, Head

if TYPE_CHECKING:
    from ...encoding.tokens.codec import Codec
    from ...recipe import Section
    from ...recipe.sections import Recipe

STARTS, GOES_ON = ("\u0120", "\u2581"), "##"
TOGETHER = 64  # examples: enough to keep every core at work, few enough to stay in its cache


@dataclass(frozen=True)
class Encoded:
    """A side's documents; `Document.example` is the index in its examples. supervised: as `Supervision` tells it."""

    documents: Flat
    findings: Sequence[Finding]
    supervised: Mapping[str, Any]


def encode(
    recipe: Recipe, codec: Codec, head: Head, examples: Sequence[Example], *, task: Section | None = None,
    too_long: TooLong | None = None, side: str = "",
) -> Encoded:
    """The documents of a side, each proved as it was made and then fitted to the length that is wanted.

    task, too_long: in place of the recipe's, for rows that are not the run's own; side: as the findings name it.
    """
    chosen = task or recipe.task
    lengths = Lengths(codec, max_length=recipe.training.max_length, too_long=too_long or recipe.data.too_long)
    proof, supervision, taken = chosen.module.proof(codec, head, chosen.settings), Supervision(), Flattening()
    noticed, proved = Ledger(), Ledger()
    for start in range(0, len(examples), TOGETHER):
        together = examples[start : start + TOGETHER]
        for index, (example, (made, found)) in enumerate(
            zip(together, chosen.module.encode(together, codec, chosen.settings, head), strict=True), start
        ):
            noticed.add(*found)
            if not any(finding.severity == "error" for finding in found):
                proved.add(*proof.prove(made, example))
            fitting = lengths.fit(made, example)
            for document in fitting:
                supervision.count(document, example)
            taken.take(fitting, index)
    findings = [*noticed.findings(), *proved.findings(), *proof.notes(), *lengths.findings(side)]
    return Encoded(taken.flat(), findings, supervision.as_json())


def readable(recipe: Recipe, codec: Codec, head: Head, example: Example, index: int) -> list[Document]:
    """The documents of one example, with their text and where each token ends in it."""
    [(made, _)] = recipe.task.module.encode([example], codec, recipe.task.settings, head)
    lengths = Lengths(codec, max_length=recipe.training.max_length, too_long=recipe.data.too_long)
    return [spelt(replace(document, example=index), codec) for document in lengths.fit(made, example)]


def spelt(document: Document, codec: Codec) -> Document:
    """The document with a text for a reader: one that is read both ways has its tokens' own spelling, parted by blanks.

    What the tokenizer made of the row's text is all that the network is given.
    """
    if document.text or not document.both_ways:
        return document
    tokens = [codec.token(index) for index in document.ids.tolist()]
    marked = any(token.startswith(STARTS) for token in tokens)  # byte-level and SentencePiece mark where words start
    pieces = [f" {token[1:]}" if token.startswith(STARTS) else token if marked or token.startswith(GOES_ON)
              else f" {token}" for token in tokens]
    pieces = [piece.removeprefix(GOES_ON) for piece in pieces]
    ends = np.cumsum([len(piece) for piece in pieces])
    return replace(document, text="".join(pieces), find_ends=lambda: ends)


def whole_tokens(recipe: Recipe, codec: Codec, head: Head, example: Example) -> int:
    """Tokens of the example's longest document before it is fitted to the length."""
    [(made, _)] = recipe.task.module.encode([example], codec, recipe.task.settings, head)
    return max(map(len, made), default=0)
