"""Examples as the model will see them, and one row through every stage."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.load import way
from ...data.recognise import recognise_files
from ...data.varied import parent
from ...encoding.batches.flat import examples_of
from ...errors import Misuse
from ...reading.read import rows as read_rows
from ...records import SIDES, Document, Example, Row, Side
from ..preparing.encode import readable
from ..preparing.prepare import Prepared, prepare

if TYPE_CHECKING:
    from ...recipe.sections import Recipe

Shown = tuple[Side, Example, Document]


def preview(recipe: Recipe, *, rows: int = 8, row: str | None = None) -> list[dict[str, Any]]:
    """The first documents of each side, training first, under the names that `preview --json` promises.

    row: only the documents of the row at `FILE:LINE`. Raises Misuse where no document comes from there.
    """
    prepared = prepare(recipe)
    found = of_row(recipe, prepared, row) if row else list(islice(every(recipe, prepared), rows))
    return [shown(*each) for each in found]


def stages(recipe: Recipe, where: str) -> list[tuple[str, str]]:
    """One row at each stage of its way, and what was made of it, as pairs of the stage's name and what it is there."""
    prepared = prepare(recipe)
    told: list[tuple[str, str]] = []
    before: Example | None = None
    for number, (side, example, document) in enumerate(of_row(recipe, prepared, where)):
        place, way = parent(example.where)
        if number == 0:
            told.append(("row", json.dumps(row_at(recipe, place), ensure_ascii=False, indent=2)))
        if example is not before:
            values = json.dumps(asdict(example), ensure_ascii=False, indent=2)
            told.append((f"example{f' made by {way}' if way else ''}: {type(example).__name__}", values))
            told.append(("side", side))
        before = example
        told.append((f"document {number + 1}: text", document.text))
        told.append((f"document {number + 1}: tokens", "\n".join(lines(document, prepared.head.labels))))
    return told


def every(recipe: Recipe, prepared: Prepared, *, wanted: tuple[str, str] | None = None) -> Iterator[Shown]:
    """All documents with their side and example, or those of one place; each is encoded once more, to be read."""
    for side in SIDES:
        for index in _in_turn(list(dict.fromkeys(examples_of(prepared.documents[side]).tolist())), side, prepared):
            example = prepared.examples[side][index]
            if wanted is None or place(example.where) == wanted:
                for document in readable(recipe, prepared.codec, prepared.head, example, index):
                    yield side, example, document


def _in_turn(examples: Sequence[int], side: Side, prepared: Prepared) -> Sequence[int]:
    """The examples as they are; in training those of each source in turn, so that the first ones show them all."""
    if side != "train" or not prepared.sources:
        return examples
    starts = [0, *accumulate(prepared.sources.values())]

    def turn(example: int) -> tuple[int, int]:
        source = bisect_right(starts, example)
        return example - starts[source - 1], source

    return sorted(examples, key=turn)


def of_row(recipe: Recipe, prepared: Prepared, where: str) -> list[Shown]:
    """The documents of one row, and those of the rows made of it; raises Misuse where there is none.

    `FILE:LINE (WAY)` is only what that way made of it.
    """
    wanted, way = place(where), parent(where)[1]
    found = [each for each in every(recipe, prepared, wanted=wanted) if way in ("", parent(each[1].where)[1])]
    if not found:
        here = [one for one in prepared.findings if not one.kind.startswith("audit.") and place(one.where) == wanted]
        if here:
            wrong = next((one for one in here if one.kind.startswith("row.")), here[0])
            raise Misuse("preview.no_row", f"no document comes from `{where}`: {wrong.what}", where, wrong.remedy)
        raise Misuse("preview.no_row", f"no document comes from `{where}`", where,
                     "name a row as the findings of `tunesmith check` do, FILE:LINE")
    return found


def place(where: str) -> tuple[str, str]:
    """File name and line of a row, or of the one that it was made of.

    The folder is left out, so that a row can be named as the user sees it.
    """
    file, _, line = parent(where)[0].rpartition(":")
    return Path(file).name, line


def row_at(recipe: Recipe, where: str) -> Any:
    """The values of the row as they stand in the file; its words alone where tags stand in another file."""
    file, _, _ = where.rpartition(":")
    found = read_rows(file, way=way(recipe.data.format or recognise_files(recipe.data.train, Path()),
                                    recipe.data.header))
    return next((dict(row.values) for row in found if isinstance(row, Row) and row.where == where), {})


def shown(side: Side, example: Example, document: Document) -> dict[str, Any]:
    """A document as JSON; the texts of its tokens joined are its text."""
    supervised = document.supervised
    return {
        "where": example.where,
        "side": side,
        **({"source": example.source} if example.source else {}),
        "text": document.text,
        "tokens": [
            {"id": int(document.ids[index]), "text": text, "supervised": bool(supervised[index])}
            for index, text in enumerate(texts(document))
        ],
    }


def texts(document: Document) -> list[str]:
    """The text of each token; of several tokens that make one character, the last has it."""
    ends = [0, *document.ends.tolist()]
    return [document.text[start:end] for start, end in pairwise(ends)]


def lines(document: Document, names: Sequence[str] = ()) -> Iterator[str]:
    """A line a token: its id, whether it is supervised, its text, and of labels that it learns which one."""
    for index, (text, learnt) in enumerate(zip(texts(document), document.supervised, strict=True)):
        target = int(document.targets[index])
        label = f"   {names[target]}" if learnt and document.both_ways and 0 <= target < len(names) else ""
        yield f"{index:5d} {int(document.ids[index]):7d} {'*' if learnt else ' '} {text!r}{label}"
