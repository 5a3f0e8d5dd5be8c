"""Metrics of entities: seqeval's numbers on random predictions, broken ones among them."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2, IOBES

from tunesmith.data import schemes
from tunesmith.metrics import entity_f1, entity_f1_macro, entity_precision, entity_recall, word_accuracy
from tunesmith.records import Prediction, Tagged

CASES = 1000
TYPES = ("LOC", "ORG", "PER")
LETTERS = {"iob2": "BI", "bioes": "BIES"}
ROW = Tagged(("w",), ("O",), "rows.conll:1", "1")


def told(tags: list[str], scheme: str, *, strict: bool = False) -> dict[str, Any]:
    found = (schemes.strict if strict else schemes.entities)(tags, scheme)
    return {"tags": tags, "types": list(TYPES),
            "entities": [{"type": one.type, "words": [one.first, one.end]} for one in found]}


def value(metric: Any, said: list[list[str]], wanted: list[list[str]], scheme: str, *, strict: bool = False) -> float:
    statistics = [
        metric.measure(Prediction(0, output=told(one, scheme, strict=strict),
                                  expected=told(other, scheme, strict=strict)), ROW, metric.Settings())
        for one, other in zip(said, wanted, strict=True)]
    return float(metric.combine(np.array(statistics), np.ones((1, len(said))))[0])


def case(random_of: random.Random, scheme: str) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of any tags, wanted and said; half of what is said is what is wanted, so that something is right."""
    tags = ["O"] * 4 + [f"{letter}-{kind}" for letter in LETTERS[scheme] for kind in TYPES]
    wanted = [random_of.choices(tags, k=random_of.randrange(1, 9)) for _ in range(random_of.randrange(1, 6))]
    said = [[tag if random_of.random() < 0.7 else random_of.choice(tags) for tag in row] for row in wanted]
    return said, wanted


@pytest.mark.parametrize("scheme", LETTERS)
@pytest.mark.parametrize("strict", [False, True])
def test_all_numbers_are_those_of_seqeval(scheme, strict):
    random_of = random.Random(f"{scheme}{strict}")
    mode = {"mode": "strict", "scheme": {"iob2": IOB2, "bioes": IOBES}[scheme]} if strict else {}
    compared = 0
    while compared < CASES:
        said, wanted = case(random_of, scheme)
        some = [told(row, scheme, strict=strict)["entities"] for row in (*said, *wanted)]
        if not any(some):
            continue
        compared += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where a side has no entity
            theirs = [seqeval.f1_score(wanted, said, **mode), seqeval.precision_score(wanted, said, **mode),
                      seqeval.recall_score(wanted, said, **mode),
                      seqeval.f1_score(wanted, said, average="macro", **mode), seqeval.accuracy_score(wanted, said)]
        ours = [value(metric, said, wanted, scheme, strict=strict)
                for metric in (entity_f1, entity_precision, entity_recall, entity_f1_macro, word_accuracy)]
        np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=f"{said} {wanted}")


def test_where_nothing_stands_and_nothing_was_said_nothing_was_missed():
    rows = [["O", "O"], ["O"]]
    for metric in (entity_f1, entity_precision, entity_recall, entity_f1_macro, word_accuracy):
        assert value(metric, rows, rows, "iob2") == 1.0


def test_f1_of_plain_tags_is_the_share_of_words_with_the_right_tag():
    said, wanted = {"tags": ["DT", "NN", "VB", "NN"]}, {"tags": ["DT", "NN", "NN", "NN"], "types": ["DT", "NN", "VB"]}
    prediction = Prediction(0, output=said, expected=wanted)
    for metric in (entity_f1, entity_precision, entity_recall, word_accuracy):
        statistics = np.array([metric.measure(prediction, ROW, metric.Settings())])
        assert metric.combine(statistics, np.ones((1, 1)))[0] == 0.75


def test_each_type_has_its_own_f1():
    said, wanted = ["B-PER", "O", "B-LOC", "O"], ["B-PER", "O", "B-PER", "O"]
    statistics = np.array([entity_f1_macro.measure(
        Prediction(0, output=told(said, "iob2"), expected=told(wanted, "iob2")), ROW, entity_f1_macro.Settings())])
    values, there = entity_f1_macro.by_type(statistics, np.ones((1, 1)))
    assert dict(zip(TYPES, zip(values[0].tolist(), there[0].tolist(), strict=True), strict=True)) == {
        "LOC": (0.0, True), "ORG": (1.0, False), "PER": (2 / 3, True)}
