"""Texts that become vectors: nothing of them is lost, and what is planted in their documents is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from tiny import tiny_base, tiny_encoder
from tunesmith.encoding.documents import sentences
from tunesmith.encoding.documents.sentences import Proof, documents, number
from tunesmith.models import bases, load
from tunesmith.records import Head, Labelled, Pair

PAIR = Pair("What is the capital of France?", "The capital of France is Paris.", "rows.jsonl:3", "g")
SCORED = Labelled("Two red shirts.", ("4.5",), "rows.jsonl:4", "g", second="Three blue hats.")


@pytest.fixture(scope="module", params=[tiny_encoder, tiny_base], ids=["both ways", "left to right"])
def codec(request, tmp_path_factory):
    folder = request.param(tmp_path_factory.mktemp("base") / "base")
    return load.codec(bases.find(str(folder)), None, datetime(2026, 1, 1))


def made(example, codec, pooling="mean"):
    texts = sentences.texts_of(example)
    score = sentences.score_of(example)
    return documents(texts, codec, pooling, [float("nan") if score is None else score] * len(texts))


def kinds(made, example, codec) -> list[str]:
    return [finding.kind for finding in Proof(codec, Head("none"), None).prove(made, example)]


@pytest.mark.parametrize("pooling", sentences.POOLINGS)
@pytest.mark.parametrize("example", [PAIR, SCORED, Pair("a [SEP] b [CLS]", "c <|im_end|>", "r:1", "g")])
def test_texts_as_they_are_made_are_proved(codec, example, pooling):
    assert kinds(made(example, codec, pooling), example, codec) == []


def changed(document, **columns):
    return replace(document, document_columns={**document.document_columns, **columns})


def faults(both):
    """Each fault that is planted, by its name."""
    first, second = both
    short = {name: column[1:] for name, column in second.token_columns.items()}
    return {
        "the texts change places": [second, first],
        "one is missing": [first],
        "one is there twice": [first, first],
        "a token is lost": [first, replace(second, ids=np.delete(second.ids, 2), targets=second.targets[1:],
                                           weights=second.weights[1:], token_columns=short)],
        "a token is another": [first, replace(second, ids=np.where(np.arange(len(second)) == 2, second.ids[3],
                                                                   second.ids))],
        "the number is another text's": [first, changed(second, text=np.asarray(number("else")))],
        "a score is made up": [first, changed(second, score=np.float32(1.0))],
        "half of it counts": [first, replace(second, weights=np.where(np.arange(len(second)) < 2, 1.0, 0.0))],
    }


@pytest.mark.parametrize("name", [
    "the texts change places", "one is missing", "one is there twice", "a token is lost", "a token is another",
    "the number is another text's", "a score is made up", "half of it counts"])
def test_a_planted_fault_is_found(codec, name):
    assert "row.misread" in kinds(faults(made(PAIR, codec))[name], PAIR, codec)


def test_another_score_than_the_row_has_is_found(codec):
    first, second = made(SCORED, codec)
    assert kinds([first, changed(second, score=np.float32(4.4))], SCORED, codec) == ["row.misread"]
    assert kinds([first, changed(second, score=np.float32("nan"))], SCORED, codec) == ["row.misread"]


def test_a_typed_mark_that_became_a_control_token_is_found(tmp_path):
    codec = load.codec(bases.find(str(tiny_encoder(tmp_path / "base"))), None, datetime(2026, 1, 1))
    example = Pair("a [SEP] b", "c", "rows.jsonl:9", "g")
    first, second = made(example, codec)
    parsed = np.asarray([codec.control["[CLS]"], *codec.encode(example.prompt, control=True).ids,
                         codec.control["[SEP]"]])
    wrong = replace(first, ids=parsed, weights=np.ones(len(parsed), np.float32))
    assert kinds([wrong, second], example, codec) == ["mask.typed_control"]


def test_characters_that_the_tokenizer_does_not_know_are_told_once(tmp_path):
    codec = load.codec(bases.find(str(tiny_encoder(tmp_path / "base"))), None, datetime(2026, 1, 1))
    proof = Proof(codec, Head("none"), None)
    for place, text in enumerate(("Schön, çay!", "tea \u9152", "more \u9152")):
        example = Pair(text, "A hat.", f"rows.jsonl:{place}", "g")
        assert proof.prove(made(example, codec), example) == []
    [note] = proof.notes()
    assert (note.kind, note.where) == ("tokenizer.left_out", "rows.jsonl:1")
    assert note.what.startswith("2 texts hold characters") and "\u9152" in note.what


def test_a_text_of_which_nothing_is_left_is_refused(tmp_path):
    codec = load.codec(bases.find(str(tiny_encoder(tmp_path / "base"))), None, datetime(2026, 1, 1))
    example = Pair("\u200b\u200b", "A hat.", "rows.jsonl:2", "g")
    assert "row.no_text" in kinds(made(example, codec), example, codec)


def test_equal_texts_share_a_number_and_others_do_not(codec):
    texts = ["a hat", "a hat", "A hat", "a hat ", ""]
    numbers = [int(document.document_columns["text"]) for document in documents(texts, codec, "mean")]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 4 and min(numbers) >= 0
