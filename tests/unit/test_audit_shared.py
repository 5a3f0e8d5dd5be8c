"""What the checks of rows say of published data sets is true of them: each was looked at by eye."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.contracts import Looking
from tunesmith.data.load import load
from tunesmith.data.texts import texts
from tunesmith.recipe.starred import Choice
from tunesmith.records import Alike, Noticed
from tunesmith.text.near import alike

OASST = ("chat_oasst/train.jsonl", "chat_oasst/validation.jsonl")
BANKING = ("banking77/train.csv", "banking77/test.csv")
# the check, the files (the second is held out), and of each finding its kind, its rows and some words
SAID = [
    ("copies", BANKING, [("audit.copies", 5, "of train.csv:1248")]),  # that 7 of test are in train is told as a leak
    ("copies", ("goemotions/train.tsv", "goemotions/test.tsv"), [
        ("audit.copies", 27, "train.tsv:4339 of train.tsv:343"), ("audit.copies_across", 1, "as train.tsv:62")]),
    ("copies", ("text_az/ted_az.txt",), [("audit.copies", 589, "ted_az.txt:247 of ted_az.txt:85")]),  # "(Laughter)"
    ("near", BANKING, [("audit.near", 190, "70 of them what a row of another side says")]),
    ("contradictions", ("squad_v2/dev.json",), [("audit.contradiction", 2, "answers that share nothing")]),
    ("contradictions", ("wnut17/train.conll", "wnut17/test.conll"), [("audit.contradiction", 26, "12 text(s)")]),
    ("contradictions", ("goemotions/train.tsv", "goemotions/test.tsv"), [("audit.contradiction", 33, "13 text(s)")]),
    ("contradictions", ("tatoeba_aze_eng/aze.txt",), [
        ("audit.answers_differ", 195, "96 input(s)"), ("audit.several_answers", 16, "7 input(s)")]),
    ("labels", ("goemotions/train.tsv",), [("audit.rare_label", 634, "7 of 28 labels")]),
    ("labels", BANKING, []),
    ("answers", ("alpaca/alpaca_gpt4_demo.json",), [("audit.model_talk", 27, "27 of 999 answers")]),
    ("answers", ("chat_tools/glaive_toolcall_en_demo.json",), [
        ("audit.model_talk", 16, "16 of 746"), ("audit.refusals", 12, "12 of 746"),
        ("audit.same_answers", 38, "you're welcome!")]),
    ("answers", OASST, [("audit.hollow_answers", 1, "1 of 1300"), ("audit.model_talk", 33, "33 of 1300"),
                        ("audit.refusals", 3, "3 of 1300")]),
    ("answers", ("gsm8k/test.jsonl",), []),
    ("repetition", ("sst2/train.tsv",), []),
    ("repetition", ("wnut17/train.conll",), [("audit.repetition", 2, "2 of 3394 rows")]),
    ("repetition", ("preference/kto_demo.json",), [("audit.repetition", 1, "1 of 150 rows")]),
    ("sizes", ("text_en/wiki_demo_400k.txt",), [("audit.long_rows", 8, "about 8 of 8 rows")]),
]


def look(shared, check, files):
    train, test = [load(str(shared / "data" / file)).examples for file in files] + ([()] if len(files) == 1 else [])
    rows = [*train, *test]
    found = []
    if check == "near":
        pairs, shares = alike(" ".join(texts(row)) for row in rows)
        found = [Alike(rows[one], rows[other], float(share)) for (one, other), share in
                 zip(pairs.tolist(), shares, strict=True)]
    section = Choice("audit").validate(check)
    given = Looking("chat", 512, lambda said: np.array([len(text.split()) for text in said]), found)
    return section.module.look({"train": train, "validation": (), "test": test}, section.settings, given)


@pytest.mark.parametrize(("check", "files", "told"), SAID, ids=[f"{check}-{files[0]}" for check, files, _ in SAID])
def test_what_a_check_says_of_a_real_set_is_true(shared, check, files, told):
    noticed: tuple[Noticed, ...] = look(shared, check, files).noticed
    assert [(each.finding.kind, each.count) for each in noticed] == [(kind, count) for kind, count, _ in told]
    for each, (_, _, words) in zip(noticed, told, strict=True):
        assert words in each.finding.what
