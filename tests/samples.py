"""Predictions that are perfect, and others that are middling, of every kind that a metric may be asked about.

Each set is five rows in the same order, as pairs of a prediction and its example. A metric of a new kind of output
names its set in `SETS`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tunesmith.encoding import schemes
from tunesmith.records import Example, Labelled, Pair, Prediction, Tagged

Rows = list[tuple[Prediction, Example]]
EXAMPLE = Pair("", "", "rows.jsonl:1", "1")
REFERENCES = ("the cat sat on the mat", "a dog", "it rains in May", "seven", "no more than three words here")


def _text(text: str, reference: str, term: float, weight: float) -> tuple[Prediction, Example]:
    return Prediction(0, term, weight, "prompt", text, reference, "end", 3), EXAMPLE


def _label(name: str, wanted: str) -> tuple[Prediction, Example]:
    scores = {each: 0.8 if each == name else 0.1 for each in ("cat", "dog", "hat")}
    return (Prediction(0, output={"label": name, "scores": scores}, expected={"label": wanted}),
            Labelled("a text", (wanted,), "rows.jsonl:1", "1"))


def texts(good: bool) -> Rows:
    """Generated answers with their losses."""
    if good:
        return [_text(text, text, 0.0, weight) for weight, text in enumerate(REFERENCES, 1)]
    said = ("the cat sat", "dog a", "it rains in May", "", "three words here")
    terms = (3.0, 2.5, 0.1, 9.0, 4.0)
    return [_text(text, reference, term, weight)
            for weight, (text, reference, term) in enumerate(zip(said, REFERENCES, terms, strict=True), 1)]


def labels(good: bool) -> Rows:
    """One label of three each."""
    wanted = ("cat", "dog", "dog", "hat", "cat")
    said = wanted if good else ("cat", "hat", "dog", "cat", "dog")
    return [_label(*both) for both in zip(said, wanted, strict=True)]


def _tags(spelt: str) -> dict[str, Any]:
    """Tags of types only, `A A O B`, and the entities that they spell."""
    tags = spelt.split()
    found = [{"type": one.type, "words": [one.first, one.end]} for one in schemes.entities(tags, "types")]
    return {"tags": tags, "entities": found, "types": ["A", "B"]}


def tags(good: bool) -> Rows:
    """Five words each, with entities of two types or none."""
    wanted = ("A A O B O", "O O O O O", "B O O A A", "O A A A O", "B O B O O")
    said = wanted if good else ("A O O B O", "O A O O O", "B O O A A", "O O O O O", "A O B O O")
    row = Tagged(tuple("vwxyz"), tuple("OOOOO"), "rows.conll:1", "1")
    return [(Prediction(0, output=_tags(one), expected=_tags(other)), row)
            for one, other in zip(said, wanted, strict=True)]


TAGS = ("entity_f1", "entity_f1_macro", "entity_precision", "entity_recall", "word_accuracy")
SETS = {"accuracy": labels, **dict.fromkeys(TAGS, tags)}


def rows_of(metric: ModuleType, *, good: bool) -> Rows:
    """The set that a metric measures."""
    return SETS.get(metric.__name__.rpartition(".")[2], texts)(good)
