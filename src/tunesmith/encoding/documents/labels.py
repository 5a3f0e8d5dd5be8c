"""Labels of texts: which kind of labels rows have, what a row learns, and its document.

The first row of a document stands for the whole: it alone has a weight. What is learnt lies in the document column
`learnt`: the place of the class, or for each label whether the row has it, or the number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import Problem, Refusal, raise_all
from ...records import SEGMENT, Document, Example, Finding, Head, Labelled
from ..tokens.codec import Codec
from .shift import NO_TARGET

Kind = Literal["single", "multi", "regression"]
LEARNT: Final = "learnt"
MOSTLY: Final = 0.9  # this share of labels must be numbers before the others are told as mistakes
SHOWN: Final = 20


def labelled(examples: Sequence[Example]) -> list[Labelled]:
    """The examples, all of which are labelled texts: `takes` lets nothing else in."""
    return [example for example in examples if isinstance(example, Labelled)]


def recognise(rows: Sequence[Labelled]) -> Kind:
    """What the labels look like: several or none in some row, numbers with a fraction, or one class a row."""
    if any(len(row.labels or ()) != 1 for row in rows if row.labels is not None):
        return "multi"
    numbers = [number(label) for row in rows for label in row.labels or ()]
    known = [found for found in numbers if found is not None]
    fractions = any(not found.is_integer() for found in known)
    return "regression" if fractions and len(known) >= MOSTLY * len(numbers) else "single"


def head(rows: Sequence[Labelled], kind: Kind | Literal["auto"]) -> Head:
    """The head that the training rows ask for. Raises Refusals where nothing can be told apart."""
    raise_all([_missing(row) for row in rows if row.labels is None][:SHOWN])
    kind = recognise(rows) if kind == "auto" else kind
    counts = Counter(label for row in rows for label in dict.fromkeys(row.labels or ()))
    if kind == "regression":
        if len({number(label) for label in counts} - {None}) < 2:
            raise Refusal("labels.one_class", "the labels of the training rows are not two different numbers",
                          rows[0].where, "give rows with other numbers, or say in `data.columns` which column the "
                          "label is, or set `task: {type: classify, kind: single}`")
        return Head("sequence", (), "regression", rows=len(rows))
    names = sorted(counts, key=_by_number_or_name)
    if len(names) < (2 if kind == "single" else 1):
        told = f"every training row is labelled `{names[0]}`" if names else "no training row has a label"
        raise Refusal("labels.one_class", f"{told}, and telling apart takes two classes", rows[0].where,
                      "give rows of another class, or say in `data.columns` which column the label is")
    return Head("sequence", tuple(names), kind, counts=tuple(counts[name] for name in names), rows=len(rows))


def number(label: str) -> float | None:
    """The number that a label is; None where it is none, or none that can be learnt."""
    try:
        found = float(label)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def learnt(row: Labelled, head: Head) -> NDArray[np.generic]:
    """What a row learns, for the column `learnt`. Raises Refusal where its labels do not fit the head."""
    if row.labels is None:
        raise _missing(row)
    if head.problem == "multi":
        places = {name: place for place, name in enumerate(head.labels)}
        found = np.zeros(len(head.labels), np.float32)
        found[[_place(label, places, row) for label in row.labels]] = 1.0
        return found
    if len(row.labels) != 1:
        raise Refusal("labels.not_one", f"the row has {len(row.labels)} labels, and one is learnt", row.where,
                      "give it one label, or set `task: {type: classify, kind: multi}`")
    [label] = row.labels
    if head.problem == "regression":
        value = number(label)
        if value is None:
            raise Refusal("labels.not_a_number", f"the label `{label}` is not a number", row.where,
                          "correct it, or set `task: {type: classify, kind: single}` where labels are names")
        return np.asarray(value, np.float32)
    return np.asarray(_place(label, {name: place for place, name in enumerate(head.labels)}, row), np.int64)


def unlearnable(row: Labelled, head: Head) -> Finding | NDArray[np.generic]:
    """What a row learns, or as an error why it learns nothing."""
    try:
        return learnt(row, head)
    except Problem as problem:
        return Finding("error", problem.kind, problem.what, problem.where, problem.remedy)


def documents(rows: Sequence[Labelled], codec: Codec) -> Iterator[Document]:
    """The document of each row, nothing of its labels in it, however long."""
    texts = [row.text if row.second is None else (row.text, row.second) for row in rows]
    for framed in codec.frames.texts(texts):
        ends = framed.spans[:, 1]
        yield Document(
            framed.ids, np.full(len(framed), NO_TARGET, np.int64), np.zeros(len(framed), np.float32), 0,
            find_ends=lambda ends=ends: ends, token_columns={SEGMENT: framed.segments},  # type: ignore[misc]
            both_ways=True)


def _place(label: str, places: dict[str, int], row: Labelled) -> int:
    if label not in places:
        raise Refusal("labels.unknown", f"the label `{label}` does not stand in the training rows", row.where,
                      "correct it, or give training rows with it")
    return places[label]


def _missing(row: Labelled) -> Refusal:
    return Refusal("labels.missing", "the row has no label", row.where, "give it one, or take it out")


def _by_number_or_name(label: str) -> tuple[bool, float, str]:
    value = number(label)
    return value is None, value or 0.0, label
