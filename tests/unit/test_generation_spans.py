"""The best answer over all windows, held to transformers' post-processing; and the answer found by words alone."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from questions import CLIPS, ORDER, codec_of, question, questions
from tiny import tiny_encoder
from tunesmith.encoding.documents import passages
from tunesmith.generation import overlap, spans


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return codec_of(tiny_encoder(tmp_path_factory.mktemp("spans") / "base"), 30)


def theirs(passage, outputs, longest, threshold):
    """The answer as transformers' `utils_qa.py` finds it, with every start and end among its n best."""
    context, null, best = passage.example.context, None, None
    for places, found in zip(passage.windows, outputs, strict=True):
        framed = passage.framed
        offsets = [tuple(framed.spans[place]) if framed.text_of[place] == 1 else None for place in places]
        nothing = found[0, 0] + found[0, 1]
        null = nothing if null is None or nothing < null else null
        for start in range(len(places)):
            for end in range(start, min(start + longest, len(places))):
                if offsets[start] is None or offsets[end] is None:
                    continue
                score = found[start, 0] + found[end, 1]
                if best is None or score > best[0]:
                    best = (score, context[offsets[start][0] : offsets[end][1]])
    return "" if threshold is not None and null - best[0] > threshold else best[1]


@pytest.mark.parametrize("threshold", [None, 0.0, -1.5, 2.0])
def test_the_best_span_over_all_windows_is_that_of_transformers(codec, threshold):
    chance = np.random.default_rng(5)
    said = []
    for example in questions() * 25:
        [passage] = passages.encode([example], codec, 6)
        outputs = [chance.normal(size=(len(places), 2)) * 2 for places in passage.windows]
        for each in outputs:
            each[0] += 3.0 if threshold is not None else 0.0
        found = spans.answer(passage, outputs, 5, threshold=threshold)
        assert found["answer"] == theirs(passage, outputs, 5, threshold)
        said.append(found)
        if found["answer"]:
            assert found["answer"] == example.context[found["start"] : found["end"]]
        else:
            assert found["start"] is found["end"] is None
    assert {bool(found["answer"]) for found in said} == ({True} if threshold is None else {True, False})


def test_scores_are_shares_of_everything_that_could_be_said(codec):
    [passage] = passages.encode([question("Who?", "Anna, Baku.", "Anna")], codec, 6)
    outputs = [np.random.default_rng(1).normal(size=(len(passage.windows[0]), 2))]
    first, after = passage.context
    scores = {(start, end): outputs[0][start, 0] + outputs[0][end, 1]
              for start in range(first, after) for end in range(start, min(after, start + 2))}
    best = max(scores, key=scores.__getitem__)
    none = outputs[0][0].sum()
    whole = sum(np.exp([*scores.values()]))
    assert spans.answer(passage, outputs, 2, threshold=None)["score"] == pytest.approx(np.exp(scores[best]) / whole)
    found = spans.answer(passage, outputs, 2, threshold=100.0)
    assert found["score"] == pytest.approx(np.exp(scores[best]) / (whole + np.exp(none)))
    assert found["no_answer_score"] == pytest.approx(np.exp(none) / (whole + np.exp(none)))


def test_no_answer_is_as_likely_as_in_the_window_that_believes_in_it_least(codec):
    [passage] = passages.encode([question("Who sold clips?", CLIPS, "Natalia")], codec, 6)
    outputs = [np.full((len(places), 2), -9.0) for places in passage.windows]
    for each in outputs:
        each[0] = 5.0
    assert spans.answer(passage, outputs, 5, threshold=0.0)["answer"] == ""
    outputs[-1][0] = -9.5
    assert spans.answer(passage, outputs, 5, threshold=0.0)["answer"] != ""


def test_the_sliding_window_finds_the_words_beside_those_of_the_question():
    context = "Anna sold hats in France. The capital of France, as they say, is Paris. She likes the hats of Baku."
    asked = question("What is the capital of France?", context, "Paris")
    start, end = overlap.answer(asked, {"as", "they", "say"})
    assert context[start:end] == "Paris"


def test_words_of_many_contexts_are_no_answer():
    asked = [question("Who?", f"The hat of Anna{number} is of wool.", f"Anna{number}") for number in range(9)]
    assert overlap.common_words(asked) == {"the", "hat", "of", "is", "wool"}
    assert overlap.common_words(asked[:1]) == set()


def test_the_sliding_window_says_something_of_every_context_with_a_word():
    chance = random.Random(2)
    words = f"{ORDER} {CLIPS} , . ! — « »".split()
    for _ in range(200):
        context = " ".join(chance.choices(words, k=chance.randrange(1, 30)))
        start, end = overlap.answer(replace(question("Who sold it?", ORDER), context=context), ())
        assert 0 <= start <= end <= len(context)
        assert (start < end) == bool(overlap.WORD.search(context))
