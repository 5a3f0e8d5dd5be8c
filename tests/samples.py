"""Predictions that are perfect, and others that are middling, of every kind that a metric may be asked about.

Each set is five rows in the same order, as pairs of a prediction and its example. A metric of a new kind of output
names its sets in `SETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunesmith.data import schemes
from tunesmith.records import Answer, Example, Labelled, Pair, Prediction, Question, Tagged, Text

Rows = list[tuple[Prediction, Example]]
EXAMPLE = Pair("", "", "rows.jsonl:1", "1")
REFERENCES = ("the cat sat on the mat", "a dog", "it rains in May", "seven", "no more than three words here")


def _text(text: str, reference: str, term: float, weight: float) -> tuple[Prediction, Example]:
    return Prediction(0, term, weight, "prompt", text, reference, "end", 3, bytes=len(reference)), EXAMPLE


def _label(name: str, wanted: str) -> tuple[Prediction, Example]:
    scores = {each: 0.8 if each == name else 0.1 for each in ("cat", "dog", "hat")}
    return (Prediction(0, output={"label": name, "scores": scores}, expected={"label": wanted}),
            Labelled("a text", (wanted,), "rows.jsonl:1", "1"))


def _several(names: str, wanted: str) -> tuple[Prediction, Example]:
    scores = {each: 0.8 if each in names.split() else 0.1 for each in ("cat", "dog", "hat")}
    return (Prediction(0, output={"labels": names.split(), "scores": scores}, expected={"labels": wanted.split()}),
            Labelled("a text", tuple(wanted.split()), "rows.jsonl:1", "1"))


def _value(number: float, wanted: float) -> tuple[Prediction, Example]:
    return (Prediction(0, output={"value": number}, expected={"value": wanted}),
            Labelled("a text", (str(wanted),), "rows.jsonl:1", "1"))


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


def answers(good: bool) -> Rows:
    """Answers out of contexts, one of which has none."""
    wanted = ("the blue hat", "Baku", "", "48 of her friends", "May")
    said = wanted if good else ("blue hats", "Baku", "Paris", "", "in May")
    return [(Prediction(0, output={"answer": one}, expected={"answer": other}),
             Question("?", other, (Answer(other, 0),) if other else (), "rows.jsonl:1", "1"))
            for one, other in zip(said, wanted, strict=True)]


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


def several(good: bool) -> Rows:
    """None, one or two labels of three each."""
    wanted = ("cat", "dog", "dog hat", "", "cat")
    said = wanted if good else ("cat", "hat dog", "", "cat", "dog")
    return [_several(*both) for both in zip(said, wanted, strict=True)]


def values(good: bool) -> Rows:
    """A number each."""
    wanted = (1.0, 0.0, 2.0, 9.0, -4.0)
    said = wanted if good else (1.0, 2.0, 0.5, 7.0, 3.0)
    return [_value(*both) for both in zip(said, wanted, strict=True)]


def ranks(good: bool) -> Rows:
    """The place at which each prompt's answer was found."""
    return [(Prediction(0, output={"value": 0.5, "rank": 1 if good else rank}, expected={"rank": 1}), EXAMPLE)
            for rank in (1, 3, 2, 12, 20)]


def tokens(good: bool) -> Rows:
    """Guesses of hidden tokens, the best first."""
    wanted = (["a"], ["b", "c"], ["d"], ["e", "f", "g"], ["h"])
    said = wanted if good else (["a"], ["x", "c"], ["x"], ["x", "x", "g"], ["h"])
    return [(Prediction(0, output={"tokens": [[one, "z"] for one in row]}, expected={"tokens": right}),
             Text("a text", "rows.txt:1", "1")) for row, right in zip(said, wanted, strict=True)]


TAGS = ("entity_f1", "entity_f1_macro", "entity_precision", "entity_recall", "word_accuracy")
SETS = {  # by metric; `texts` for one that is not named
    **dict.fromkeys(("accuracy", "macro_f1", "precision", "recall", "roc_auc", "kappa"), (labels, several)),
    "micro_f1": (several,),
    "token_accuracy": (tokens,),
    **dict.fromkeys(TAGS, (tags,)),
    **dict.fromkeys(("squad_em", "squad_f1"), (answers,)),
    **dict.fromkeys(("mrr", "recall_at_1", "recall_at_10"), (ranks,)),
    **dict.fromkeys(("mae", "mse", "pearson", "spearman"), (values,)),
}


def sets_of(metric: str) -> tuple[Callable[[bool], Rows], ...]:
    """The sets that a metric measures, each made perfect or middling."""
    return SETS.get(metric, (texts,))
