"""Schemes of tags: read as seqeval reads them, recognised, mended, and slips told from meant tags."""

from __future__ import annotations

import random

import pytest
from seqeval import scheme as seqeval_schemes
from seqeval.metrics.sequence_labeling import get_entities

from tunesmith.data import schemes
from tunesmith.encoding.proofs import slips
from tunesmith.records import Head

TYPES = ("PER", "LOC", "creative-work")
PREFIXES = {"iob2": "BI", "iob1": "BI", "io": "I", "bioes": "BIES", "bilou": "BILU"}
CASES = 1000


def anything(random_of: random.Random, scheme: str) -> list[str]:
    """Tags of a scheme in any order: mostly broken."""
    tags = ["O", "O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in TYPES)]
    return random_of.choices(tags, k=random_of.randrange(1, 12))


def well_formed(random_of: random.Random, scheme: str) -> list[str]:
    return schemes.mended(anything(random_of, scheme), scheme)


def found(tags: list[str], scheme: str) -> list[tuple[str, int, int]]:
    return [(one.type, one.first, one.end) for one in schemes.entities(tags, scheme)]


@pytest.mark.parametrize("scheme", ["iob2", "iob1", "io", "bioes"])
def test_broken_and_whole_tags_spell_the_entities_that_seqeval_reads(scheme):
    random_of = random.Random(scheme)
    for _ in range(CASES):
        tags = anything(random_of, scheme)
        theirs = [(kind, first, last + 1) for kind, first, last in get_entities(tags)]
        assert found(tags, scheme) == theirs, tags


@pytest.mark.parametrize(("scheme", "theirs"), [
    ("iob2", seqeval_schemes.IOB2), ("bioes", seqeval_schemes.IOBES), ("bilou", seqeval_schemes.BILOU)])
def test_strict_entities_are_those_of_seqevals_strict_mode(scheme, theirs):
    random_of = random.Random(scheme)
    for _ in range(CASES):
        tags = anything(random_of, scheme)
        read = [(one.tag, one.start, one.end) for one in seqeval_schemes.Tokens(tags, theirs).entities]
        assert [(one.type, one.first, one.end) for one in schemes.strict(tags, scheme)] == read, tags


@pytest.mark.parametrize("scheme", PREFIXES)
def test_mended_tags_say_what_the_broken_ones_said_and_stay_as_they_are(scheme):
    random_of = random.Random(scheme)
    for _ in range(CASES):
        tags = anything(random_of, scheme)
        mended = schemes.mended(tags, scheme)
        if scheme != "io":  # where two entities touch, I- alone cannot part them
            assert found(mended, scheme) == found(tags, scheme), tags
        assert schemes.mended(mended, scheme) == mended
        assert schemes.strict(mended, scheme) == schemes.entities(mended, scheme)


@pytest.mark.parametrize("scheme", PREFIXES)
def test_a_scheme_is_recognised_by_its_rows_and_in_spite_of_a_few_slips(scheme):
    random_of = random.Random(1)
    rows = [well_formed(random_of, scheme) for _ in range(100)]
    assert schemes.recognise(rows) == scheme
    slipped = [*rows, ["o", "C0LOC", "O"], ["I-PER", "O"]]
    assert schemes.recognise(slipped) == scheme


def test_types_without_a_letter_are_recognised_by_how_much_is_outside():
    assert schemes.recognise([["O", "O", "O", "PER", "O"], ["O", "O", "person-actor", "O"]]) == "types"


def test_parts_of_speech_are_plain_tags_even_if_one_is_called_o():
    assert schemes.recognise([["DT", "NN", "VBD", "O"], ["O", "NNP"]]) == "none"
    assert schemes.labels([["DT", "NN"], ["VB"]], "none") == ("DT", "NN", "VB")


def test_a_head_knows_all_tags_of_a_type_in_the_same_order_whatever_the_rows():
    rows = [["B-PER", "O"], ["B-LOC", "I-LOC"]]
    assert schemes.labels(rows, "iob2") == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert schemes.labels(rows[::-1], "iob2") == schemes.labels(rows, "iob2")
    assert schemes.labels(rows, "bioes")[:5] == ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")
    assert schemes.labels(rows, "io") == ("O", "I-LOC", "I-PER")
    assert schemes.types(schemes.labels(rows, "io"), "io") == ("LOC", "PER")


def told(tags: list[list[str]], scheme: str) -> dict[str, str]:
    seen = slips.Tags()
    for number, row in enumerate(tags, 1):
        seen.take(row, f"tags.txt:{number}")
    head = Head("token", schemes.labels(tags, scheme), scheme=scheme)
    return {finding.what.split("`")[1]: f"{finding.what.split('`')[3]} {finding.where}"
            for finding in slips.findings(seen, head)}


def test_rare_tags_that_nearly_are_a_common_one_are_named_with_their_line():
    rows = [["O", "B-LOC", "I-LOC", "B-DATE", "I-DATE"]] * 50
    odd = [["o", "O"], ["C0LOC"], ["B-DATE", "I-ATE"], ["B-DAT"], ["B-OC"]]
    assert told([*rows, *odd], "iob2") == {
        "o": "O tags.txt:51", "C0LOC": "B-LOC tags.txt:52", "I-ATE": "I-DATE tags.txt:53",
        "B-DAT": "B-DATE tags.txt:54", "B-OC": "B-LOC tags.txt:55"}


def test_rare_tags_that_are_meant_are_not_called_slips():
    rows = [["O", "B-person", "I-person", "B-product"]] * 50
    assert told([*rows, ["I-product", "B-group"]], "iob2") == {}
    assert told([["NN", "DT", "VBD", "VB"]] * 50 + [["NNS", "PDT", "VBG"]], "none") == {}


def test_the_distance_is_that_of_letters():
    assert [slips.edits("", "abc"), slips.edits("kitten", "sitting"), slips.edits("same", "same")] == [3, 3, 0]

