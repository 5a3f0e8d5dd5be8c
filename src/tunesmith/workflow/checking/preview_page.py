"""The preview as one page: the facts of the whole data, and rows that were chosen from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...encoding.batches.flat import examples_of, lengths_of, supervised_of
from ...pages.place import demand_page
from ...pages.preview import Amount, Previewed, Seen, preview_page
from ...pages.tokens import Token
from ...records import SIDES, Document
from ...runs import durable
from ..preparing.encode import readable, whole_tokens
from ..preparing.prepare import Prepared, prepare
from .preview import of_row, texts
from .sample import Chosen, choose

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

ROWS = 40


def write(recipe: Recipe, name: str, file: Path, *, rows: int | None = None, row: str | None = None) -> dict[str, Any]:
    """Write the page; tells the file, and how many documents and findings stand on it.

    row: only the row at `FILE:LINE`. Raises Misuse where the file is something else than such a page, or cannot be.
    """
    demand_page(file)
    prepared = prepare(recipe)
    chosen = _of_row(recipe, prepared, row) if row else choose(
        prepared.examples, prepared.documents, ROWS if rows is None else rows, seed=recipe.training.seed,
        named=[finding.where for finding in prepared.findings])
    documents = [seen for each in chosen for seen in _seen(recipe, prepared, each)]
    written = preview_page(Previewed(
        recipe=name, facts=_facts(recipe, prepared), sides={side: _amount(prepared, side) for side in SIDES},
        by_role=prepared.supervised.get("by_role", {}), findings=prepared.findings, documents=documents,
        limit=recipe.training.max_length, too_long=recipe.data.too_long,
    ))
    durable.write_file(file, written.encode())
    return {"page": str(file), "documents": len(documents), "findings": len(prepared.findings)}


def _of_row(recipe: Recipe, prepared: Prepared, where: str) -> list[Chosen]:
    found = {(side, document.example) for side, _, document in of_row(recipe, prepared, where)}
    return [Chosen(side, index, ("asked for",)) for side, index in sorted(found)]


def _seen(recipe: Recipe, prepared: Prepared, chosen: Chosen) -> Iterator[Seen]:
    example = prepared.examples[chosen.side][chosen.index]
    documents = readable(recipe, prepared.codec, prepared.head, example, chosen.index)
    whole = whole_tokens(recipe, prepared.codec, prepared.head, example)
    for number, document in enumerate(documents, start=1):
        yield Seen(
            example.where, chosen.side, type(example).__name__.lower(), example.source, chosen.why,
            _tokens(prepared, document),
            f"{number} of {len(documents)}" if len(documents) > 1 else "", whole)


def _tokens(prepared: Prepared, document: Document) -> Sequence[Token]:
    codec = prepared.codec
    control = frozenset(codec.control.values())
    # a weight stands where its token is predicted, one before it; what is read both ways learns at its own place
    weights = document.weights.tolist() if document.both_ways else [0.0, *document.weights[:-1].tolist()]
    return [
        Token(index, text, weight, index in control, codec.token(index))
        for index, text, weight in zip(document.ids.tolist(), texts(document), weights, strict=True)
    ]


def _amount(prepared: Prepared, side: Any) -> Amount:
    documents = prepared.documents[side]
    return Amount(len(set(examples_of(documents).tolist())), lengths_of(documents).tolist(),
                  int(supervised_of(documents).sum()))


def _facts(recipe: Recipe, prepared: Prepared) -> dict[str, str]:
    template = prepared.codec.template
    sources = ", ".join(f"{name} {count:,}" for name, count in prepared.sources.items())
    return {
        "base": recipe.base.name, "task": recipe.task.type, "template": template.name if template else "none",
        "longest allowed": f"{recipe.training.max_length:,} tokens", "too long": recipe.data.too_long,
        **({"rows of each source": sources} if sources else {}),
    }
