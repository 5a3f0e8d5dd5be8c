"""Published sets of names are read right, or refused with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_pieces
from tunesmith.data.formats import conll
from tunesmith.data.load import load
from tunesmith.encoding.proofs.tagged import proof
from tunesmith.encoding.tokens import codec as codecs
from tunesmith.recipe.starred import Choice
from tunesmith.records import Finding, Head, Row, Tagged
from tunesmith.tasks import tag

SLIPS = {"o": "O", "C0LOC": "B-LOC", "I-ATE": "I-DATE", "B-DAT": "B-DATE", "B-OC": "B-LOC"}


def rows(folder: Path, *files: str, **options: Any) -> list[Tagged]:
    chosen = Choice("format").validate({"type": "conll", **options})
    return [row for row in load(list(files), format=chosen, base_folder=folder).examples if isinstance(row, Tagged)]


def told(examples: list[Tagged], head: Head) -> list[Finding]:
    """What encoding and the proof of these rows find."""
    codec = codecs.build(tiny_pieces(), longest=128)
    prover = proof(codec, head, tag.Settings())
    found: list[Finding] = []
    for example, (made, wrong) in zip(examples, tag.encode(examples, codec, tag.Settings(), head), strict=True):
        found += wrong or prover.prove(made, example)
    return [*found, *prover.notes()]


@pytest.mark.parametrize(("file", "scheme", "types"), [
    ("wnut17/train.conll", "iob2", ["corporation", "creative-work", "group", "location", "person", "product"]),
    ("wikigold/wikigold.conll", "io", ["LOC", "MISC", "ORG", "PER"])])
def test_the_scheme_and_the_types_of_a_set_are_seen(shared, file, scheme, types):
    examples = rows(shared / "data", file)
    head = tag.head(examples, tag.Settings())
    assert head.scheme == scheme
    assert sorted({label[2:] for label in head.labels if label != "O"}) == types
    assert not [finding for finding in told(examples[:300], head) if finding.severity == "error"]


def aligned(shared: Path, side: str, **options: Any) -> list[Tagged]:
    return rows(shared / "data" / "ner_az", f"{side}sents.txt", f"{side}tags.txt", aligned=True, **options)


def test_slips_of_two_aligned_files_are_named_and_what_no_training_row_knows_is_refused(shared):
    learnt = aligned(shared, "")
    head = tag.head(learnt, tag.Settings())
    found = told(learnt, head)
    slips = {each.what.split("`")[1]: (each.where.rpartition(":")[2], each.remedy)
             for each in found if each.kind == "tags.misspelt"}
    assert {name: line for name, (line, _) in slips.items()} == {"o": "232", "C0LOC": "438", "I-ATE": "880",
                                                                  "B-DAT": "898"}
    assert "rename: {I-ATE: I-DATE}" in slips["I-ATE"][1]
    [mended] = [each for each in found if each.kind == "tags.mended"]
    assert mended.where.endswith(":10") and mended.what.startswith("16 rows")
    [refused] = [each for each in told(aligned(shared, "test-"), head) if each.severity == "error"]
    assert refused.kind == "labels.unknown" and refused.where.endswith("sents.txt:45")
    assert "`B-OC`" in refused.what and "rename: {B-OC: B-LOC}" in refused.remedy


def test_slips_that_are_read_as_what_they_mean_are_gone(shared):
    learnt = aligned(shared, "", rename=SLIPS)
    head = tag.head(learnt, tag.Settings())
    assert [label[2:] for label in head.labels if label.startswith("B-")] == ["DATE", "LOC", "ORG", "PER"]
    assert {each.kind for each in told(learnt, head)} == {"tags.scheme", "tags.mended"}
    assert {each.kind for each in told(aligned(shared, "test-", rename=SLIPS), head)} == {"tags.scheme"}


@pytest.mark.parametrize(("text", "words"), [
    ("Anna's  hat (red), 3.5 mugs.", ["Anna", "'", "s", "hat", "(", "red", ")", ",", "3", ".", "5", "mugs", "."]),
    ("हिन्दी में लिखो", ["हिन्दी", "में", "लिखो"]),
    ("I\u0307stanbul\tvə می\u200cخواهم", ["I\u0307stanbul", "və", "می\u200cخواهم"])])
def test_a_text_is_cut_into_words_that_keep_their_marks_and_their_places(text, words):
    [example] = conll.convert(Row({"text": text}, "new.jsonl:1"), conll.Settings(), answered=False)
    assert list(example.words) == words
    assert [text[start : start + len(word)] for start, word in zip(example.starts, words, strict=True)] == words
