"""Predictions that are perfect, and others that are middling, of every kind that a metric may be asked about.

Each set is five rows in the same order, as pairs of a prediction and its example. A metric of a new kind of output
names its set in `SETS`.
"""

from __future__ import annotations

from types import ModuleType

from tunesmith.records import Answer, Example, Labelled, Pair, Prediction, Question

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


def answers(good: bool) -> Rows:
    """Answers out of contexts, one of which has none."""
    wanted = ("the blue hat", "Baku", "", "48 of her friends", "May")
    said = wanted if good else ("blue hats", "Baku", "Paris", "", "in May")
    return [(Prediction(0, output={"answer": one}, expected={"answer": other}),
             Question("?", other, (Answer(other, 0),) if other else (), "rows.jsonl:1", "1"))
            for one, other in zip(said, wanted, strict=True)]


SETS = {"accuracy": labels, "squad_em": answers, "squad_f1": answers}


def rows_of(metric: ModuleType, *, good: bool) -> Rows:
    """The set that a metric measures."""
    return SETS.get(metric.__name__.rpartition(".")[2], texts)(good)
