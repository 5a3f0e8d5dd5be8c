"""Tagging: words in pieces, windows, what is learnt and read back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tagging import ROWS, SAID, TAGS, codec, cut, long_row, made, proved, row, settings
from tunesmith.encoding.documents import tagged
from tunesmith.encoding.proofs.tagged import proof
from tunesmith.errors import Refusal
from tunesmith.records import Document, Head
from tunesmith.tasks import tag

# What is learnt


def test_the_first_piece_of_every_word_learns_its_tag():
    [[document], *_], _, head = made(ROWS)
    [framed] = codec().frames.of_words([SAID])
    learnt = np.flatnonzero(document.weights)
    assert [head.labels[target] for target in document.targets[learnt]] == TAGS
    assert framed.words[learnt].tolist() == list(range(len(SAID)))
    assert (framed.words[learnt - 1] != framed.words[learnt]).all()


def test_all_pieces_learn_it_where_that_is_wanted_and_the_frame_never_does():
    [[document], *_], _, head = made(ROWS, learn="all")
    [framed] = codec().frames.of_words([SAID])
    assert len(framed) > len(SAID) + 2  # some words have several pieces
    assert (document.weights > 0).tolist() == (framed.words >= 0).tolist()
    assert [head.labels[document.targets[place]] for place in np.flatnonzero(document.weights)] == [
        TAGS[word] for word in framed.words if word >= 0]


def test_documents_tell_their_text_and_where_each_token_ends():
    [[document], *_], _, _ = made(ROWS)
    assert document.text == " ".join(SAID)
    spelt = [document.text[start:end].strip().lower() for start, end in pairwise([0, *document.ends])]
    assert "".join(spelt) == "".join(SAID).lower()


@pytest.mark.parametrize("learn", ["first", "all"])
@pytest.mark.parametrize("longest", [0, 12])
def test_what_is_learnt_is_read_back_and_nothing_is_wrong_with_it(learn, longest):
    documents, findings, head = made(ROWS, longest, learn=learn)
    prover = proof(codec(longest), head, settings(learn=learn))
    assert not findings
    assert not [prover.prove(*both) for both in zip(documents, ROWS, strict=True) if prover.prove(*both)]
    assert [finding.kind for finding in prover.notes()] == ["tags.scheme"]


# Windows


@pytest.mark.parametrize("overlap", [0, 4, 64])
@pytest.mark.parametrize("longest", [8, 17, 40, 500])
def test_every_word_of_a_long_row_is_learnt_in_one_window_and_none_is_too_long(longest, overlap):
    [windows] = tagged.windows([long_row()], codec(longest), overlap)
    assert max(len(window.document) for window in windows) <= longest
    assert sorted(word for window in windows for word in window.own) == list(range(200))
    documents, _, head = made([long_row()], longest, overlap=overlap)
    assert len(documents[0]) == len(windows)
    assert not proved(documents[0], long_row(), head)


def test_windows_overlap_as_far_as_is_wanted_and_part_no_word():
    begins = np.array([True, False, True, True, False, False] * 20)
    found = tagged.parts(begins, 30, 10)
    assert found[0] == (0, 30) and found[-1][1] == 120
    for (_, end), (start, _) in pairwise(found):
        assert begins[start] and begins[end] and 10 <= end - start <= 12


def test_a_word_is_read_where_most_stands_around_it():
    found = tagged.parts(np.ones(100, bool), 40, 20)
    assert found == [(0, 40), (20, 60), (40, 80), (60, 100)]
    owner = tagged.owners(np.arange(100), found)
    for word, chosen in enumerate(owner):
        room = [min(word - start if start else 999, end - 1 - word if end < 100 else 999)
                if start <= word < end else -1 for start, end in found]
        assert room[chosen] == max(room)
    assert owner[0] == 0 and owner[99] == 3


def test_a_word_that_fills_more_than_a_window_is_learnt_by_its_first_piece():
    giant = row(["of", "x" * 90, "Anna"], ["O", "B-LOC", "B-PER"])
    documents, _, head = made([giant], 20)
    assert len(documents[0]) > 4
    assert not proved(documents[0], giant, head)
    learnt = [head.labels[target] for document in documents[0] for target in document.targets[document.weights > 0]]
    assert learnt == ["O", "B-LOC", "B-PER"]


# Faults that are planted are found


def spoilt(document: Document, **columns: Any) -> Document:
    return replace(document, **columns)


def test_a_tag_beside_its_word_is_found():
    [[document], *_], _, head = made(ROWS)
    shifted = spoilt(document, targets=np.roll(document.targets, 1), weights=np.roll(document.weights, 1))
    assert proved([shifted], ROWS[0], head)


def test_another_tag_is_found():
    [[document], *_], _, head = made(ROWS)
    targets = document.targets.copy()
    place = int(np.flatnonzero(document.weights)[8])
    targets[place] = head.labels.index("B-LOC")
    assert proved([spoilt(document, targets=targets)], ROWS[0], head) == [
        "word 9, `Anna`, is tagged B-PER, and B-LOC would be learnt"]


def test_a_word_that_is_not_learnt_or_learnt_twice_is_found():
    [[document], *_], _, head = made(ROWS)
    weights = document.weights.copy()
    weights[np.flatnonzero(weights)[3]] = 0
    assert proved([spoilt(document, weights=weights)], ROWS[0], head) == ["word 4, `two`, is learnt 0 times"]
    assert proved([document, document], ROWS[0], head) == ["word 1, `The`, is learnt 2 times"]


def test_pieces_that_should_not_learn_or_should_are_found():
    [[first], *_], _, head = made(ROWS)
    [[every], *_], _, _ = made(ROWS, learn="all")
    wrong = ["word 6, `shirtmakers`, is learnt by other pieces than it should be"]
    assert proved([every], ROWS[0], head) == proved([first], ROWS[0], head, learn="all") == wrong


def test_tokens_of_other_words_are_found():
    [[first], [second], *_], _, head = made(ROWS)
    ids = first.ids.copy()
    ids[3], ids[4] = ids[4], ids[3]
    assert "those of other words" in proved([spoilt(first, ids=ids)], ROWS[0], head)[0]
    assert "those of other words" in proved([second], ROWS[0], head)[0]


def test_a_frame_that_learns_or_is_another_is_found():
    [[document], *_], _, head = made(ROWS)
    weights = document.weights.copy()
    weights[0] = 1
    targets = document.targets.copy()
    targets[0] = 0
    assert proved([spoilt(document, weights=weights, targets=targets)], ROWS[0], head) == [
        "a token of the frame is learnt"]
    assert proved([spoilt(document, ids=np.append(document.ids[:-1], 7))], ROWS[0], head) == [
        "a document has another frame than the tokenizer writes"]


# Tags that are wrong


def test_broken_tags_are_repaired_and_told_with_their_number_and_rows():
    broken = row(["Anna", "Baku", "goes"], ["I-PER", "I-LOC", "O"], "rows.conll:9")
    documents, findings, head = made([broken], scheme="iob2")
    prover = proof(codec(), head, settings())
    assert not findings and not prover.prove(documents[0], broken)
    learnt = documents[0][0].targets[documents[0][0].weights > 0]
    assert [head.labels[target] for target in learnt] == ["B-PER", "B-LOC", "O"]
    [told] = [finding for finding in prover.notes() if finding.kind == "tags.mended"]
    assert told.severity == "warning" and told.where == "rows.conll:9"
    assert told.what.startswith("1 rows have tags that break the scheme `iob2`; 2 tags are changed")
    assert "`I-PER` to `B-PER` (1)" in told.what


def test_broken_tags_are_refused_by_name_where_that_is_wanted():
    broken = row(["Anna", "Baku"], ["B-PER", "I-LOC"], "rows.conll:9")
    documents, [found], _ = made([broken], scheme="iob2", broken="refuse")
    assert documents == [[]] and (found.severity, found.kind, found.where) == ("error", "tags.broken", "rows.conll:9")
    assert "word 2, `Baku`, is tagged `I-LOC`" in found.what and "`B-LOC` would be right" in found.what


def test_a_tag_that_no_training_row_knows_is_refused_with_what_it_may_mean():
    head = tag.head(ROWS, settings())
    held = row(["Paris"], ["B-OC"], "test.conll:7")
    [(documents, [found])] = tag.encode([held], codec(), settings(), head)
    assert not documents and (found.kind, found.where) == ("labels.unknown", "test.conll:7")
    assert "`B-OC`" in found.what and "`B-LOC`" in found.remedy


def test_rows_with_one_tag_only_and_rows_without_tags_are_refused():
    with pytest.raises(Refusal, match="every word of the training rows is tagged `O`"):
        tag.head([row(["a", "b"], ["O", "O"])], settings())
    with pytest.raises(Refusal, match="no tags"):
        tag.head([row(["a"], None)], settings())


def test_runs_of_io_tags_are_entities_and_plain_tags_are_words():
    io = [row(cut("Anna Baku in Paris"), cut("I-PER I-PER O I-LOC"))]
    assert tag.head(io, settings()) == Head("token", ("O", "I-LOC", "I-PER"), scheme="io")
    plain = [row(cut("Anna goes"), cut("NNP VBZ"))]
    assert tag.head(plain, settings()) == Head("token", ("NNP", "VBZ"), scheme="none")
