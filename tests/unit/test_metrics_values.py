"""The values of the metrics against hand counts and the reference library."""

from __future__ import annotations

import math
import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from tunesmith.metrics import exact_match, loss, perplexity, rouge_l
from tunesmith.records import Pair, Prediction

EXAMPLE = Pair("", "", "rows.jsonl:1", "1")


def answer(text: str, reference: str) -> Prediction:
    return Prediction(0, text=text, reference=reference, stopped_by="end")


def rouge(text: str, reference: str) -> float:
    return rouge_l.measure(answer(text, reference), EXAMPLE, rouge_l.Settings())[0]


def exact(text: str, reference: str) -> float:
    return exact_match.measure(answer(text, reference), EXAMPLE, exact_match.Settings())[0]


def test_loss_is_the_mean_over_tokens_and_not_over_rows() -> None:
    statistics = np.array([[10.0, 10.0], [1.0, 90.0]])
    assert loss.combine(statistics, np.ones((1, 2)))[0] == pytest.approx(0.11)


def test_loss_of_a_draw_without_weight_is_no_number() -> None:
    assert math.isnan(loss.combine(np.array([[0.0, 0.0]]), np.ones((1, 1)))[0])


def test_perplexity_of_a_blind_guess_is_the_size_of_the_vocabulary() -> None:
    statistics = np.array([[7 * math.log(49152), 7.0]])
    assert perplexity.combine(statistics, np.ones((1, 1)))[0] == pytest.approx(49152)


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        ("42", "42", 1), (" 42\n", "42", 1), ("42.0", "42", 0), ("Paris", "paris", 0), ("a  b", "a b", 0),
        ("caf\u0065\u0301", "caf\u00e9", 1), ("", "", 1), ("", "x", 0), ('{"a": 1}', '{"a":1}', 0),
    ],
)
def test_exact_match_forgives_blank_ends_and_ways_to_write_an_accent(text: str, reference: str, value: int) -> None:
    assert exact(text, reference) == value


def test_rouge_l_equals_the_rouge_score_package_on_1000_random_cases() -> None:
    rng = random.Random(0)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    vocabulary = ["".join(rng.choices(string.ascii_letters + string.digits + "'-_.$ ", k=rng.randint(1, 4)))
                  for _ in range(25)]
    for _ in range(1000):
        text, reference = (rng.choice([" ", ", ", "\n"]).join(rng.choices(vocabulary, k=rng.randint(0, 40)))
                           for _ in range(2))
        assert rouge(text, reference) == pytest.approx(scorer.score(reference, text)["rougeL"].fmeasure, abs=1e-12)


@given(st.text(alphabet=string.printable, max_size=80), st.text(alphabet=string.printable, max_size=80))
def test_rouge_l_equals_the_rouge_score_package_on_any_ascii_text(text: str, reference: str) -> None:
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    assert rouge(text, reference) == pytest.approx(scorer.score(reference, text)["rougeL"].fmeasure, abs=1e-12)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_common_subsequence_is_as_long_as_the_textbook_says(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    assert rouge_l.common_length(first, second) == table[-1][-1]


def test_rouge_l_keeps_the_letters_of_azerbaijani_and_turkish_words() -> None:
    assert rouge_l.words("Şəhərin ən gözəl yeri, İçərişəhər!") == ["şəhərin", "ən", "gözəl", "yeri", "i̇çərişəhər"]
    assert rouge("gecə", "gündüz") == 0
    assert rouge("gözəl şəhər", "gözəl kənd") == pytest.approx(0.5)


def test_rouge_l_keeps_vowel_signs_with_their_words() -> None:
    assert rouge_l.words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]


def test_rouge_l_is_the_same_however_an_accent_is_written() -> None:
    assert rouge("caf\u0065\u0301 noir", "caf\u00e9 noir") == 1
