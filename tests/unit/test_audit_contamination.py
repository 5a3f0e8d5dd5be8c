"""Held-out rows of which a part is trained on are told, and no others."""

from __future__ import annotations

import json

import pytest

from tunesmith.contracts import Looking
from tunesmith.data.audit.contamination import Settings, look
from tunesmith.errors import Misuse
from tunesmith.recipe import located
from tunesmith.recipe.read import read
from tunesmith.records import Labelled, Pair, Text
from tunesmith.text.passages import Passage, Runs, passages

USUAL = Runs(13, 10, 5)


def numbered(first, count):
    return " ".join(f"w{place}" for place in range(first, first + count))


def found(texts, others, runs=USUAL):
    return list(passages(texts, lambda: others, runs))


def text(words, where, group=""):
    return Text(words, where, group or where)


def looked(sides, settings=None, also=None):
    return look(sides, settings or Settings(), Looking("text", 512, len, also=also or {}))


def test_thirteen_words_in_a_row_are_found_and_twelve_are_not():
    others = ["nothing", f"a b c {numbered(100, 13)} d"]
    assert found([f"x y {numbered(100, 13)} z"], others) == [Passage(0, 1)]
    assert found([f"x y {numbered(100, 12)} z"], others) == []


def test_case_blanks_and_punctuation_do_not_count():
    assert found([f"So: {numbered(0, 13).upper().replace(' ', ',  ')}!"], [numbered(0, 20)]) == [Passage(0, 0)]


@pytest.mark.parametrize(("words", "told"), [(4, False), (5, True), (8, True), (12, True)])
def test_a_short_text_is_looked_for_whole_if_it_has_words_enough(words, told):
    assert found([numbered(0, words)], [f"before {numbered(0, words)} after"]) == ([Passage(0, 0)] if told else [])
    assert found([numbered(0, words) + " otherwise"], [numbered(0, words)]) == []


def test_a_run_does_not_go_on_in_the_next_text():
    assert found([numbered(0, 13)], [numbered(0, 7), numbered(7, 6)]) == []
    assert found([numbered(0, 7), numbered(7, 6)], [numbered(0, 13)]) == [Passage(0, 0), Passage(1, 0)]


def test_a_phrase_of_many_rows_says_nothing_unless_it_is_the_whole_row():
    phrase = numbered(0, 20)
    others = [f"{phrase} row {row}" for row in range(11)]
    assert found([f"{phrase} something else here", phrase], others) == [Passage(1, 0)]
    assert found([f"{phrase} something else here"], others[:10]) == [Passage(0, 0)]


def test_of_a_text_with_a_phrase_and_a_passage_the_passage_is_shown():
    phrase, passage = numbered(0, 20), numbered(100, 15)
    others = [*(f"{phrase} row {row}" for row in range(11)), passage]
    assert found([f"{phrase} {passage}"], others) == [Passage(0, 11)]


def test_brute_force_finds_the_same(monkeypatch):
    import random

    from tunesmith.text import passages as module
    from tunesmith.text import shingles

    drawn = random.Random(7)
    rows = [" ".join(drawn.choices("abc", k=drawn.randrange(0, 12))) for _ in range(300)]
    texts, others = rows[:100], rows[100:]

    def windows(words, size):
        return {tuple(words[at:at + size]) for at in range(len(words) - size + 1)}

    expected = []
    for number, words in enumerate(text.split() for text in texts):
        size = min(len(words), 7)
        mine = windows(words, size) if size >= 5 else set()
        having = [other for other, each in enumerate(others) if mine & windows(each.split(), size)]
        if having:
            expected.append(Passage(number, having[0]))
    monkeypatch.setattr(module, "HELD", 50)  # several readings of the others
    monkeypatch.setattr(shingles, "_WORDS_AT_ONCE", 40)
    assert expected and found(texts, others, Runs(7, 1000, 5)) == expected


def test_a_side_is_told_with_both_places_and_its_share():
    train = [text(numbered(0, 30), "train.jsonl:1"), text("other words", "train.jsonl:2")]
    test = [text("all new here and now and then", "test.jsonl:1"), text(f"see {numbered(5, 14)}", "test.jsonl:2")]
    noticed, = looked({"train": train, "validation": [], "test": test}).noticed
    assert noticed.finding.kind == "audit.contamination" and noticed.finding.severity == "warning"
    assert "1 of 2 rows of the test side (50.0%)" in noticed.finding.what
    assert "test.jsonl:2 as train.jsonl:1" in noticed.finding.what
    assert [(row.where, row.text) for row in noticed.rows] == [
        ("test.jsonl:2", f"as in train.jsonl:1: see {numbered(5, 14)}")]


def test_rows_of_a_group_that_is_trained_on_are_told_as_leaks_and_not_here():
    train = [text(numbered(0, 30), "a:1", "one")]
    test = [text(numbered(0, 30), "b:1", "one"), text(numbered(0, 29), "b:2", "two")]
    noticed, = looked({"train": train, "test": test}).noticed
    assert [row.where for row in noticed.rows] == ["b:2"]


def test_rows_that_are_measured_elsewhere_are_looked_for_too():
    train = [Pair("what is it", numbered(0, 30), "a:1", "q")]
    also = {"general": [Labelled(numbered(3, 20), ("x",), "c:1", "g")]}
    noticed, = looked({"train": train}, also=also).noticed
    assert "1 of 1 rows of `evaluation.also.general`" in noticed.finding.what


def test_benchmarks_of_the_user_are_looked_for(tmp_path):
    file = tmp_path / "bench.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [
        {"id": 1, "question": "how many words are there in this question", "choices": ["one", "two"]},
        {"id": 2, "question": "nobody ever asked this very thing before", "choices": ["all of the above are right"]},
        {"id": 3, "question": "short", "context": {"text": f"deep {numbered(0, 13)}"}},
    ]) + "\n{broken\n")
    train = [text(f"Q: how many words are there in this question? All of the above are right {numbered(0, 20)}", "a:1")]
    told = looked({"train": train}, Settings(files=(str(file),))).noticed
    assert [row.where.rsplit(":", 1)[1] for row in told[0].rows] == ["1", "3"]
    assert "2 of 3 rows of `bench.jsonl`" in told[0].finding.what
    assert told[1].finding.severity == "warning" and told[1].finding.where.endswith("bench.jsonl:4")


def test_a_benchmark_that_is_missing_is_a_mistake_of_the_recipe():
    with pytest.raises(Misuse, match="nowhere"):
        looked({"train": []}, Settings(files=("nowhere.jsonl",)))


def test_nothing_is_told_where_nothing_is_shared():
    rows = [text(numbered(100 * row, 30), f"a:{row}") for row in range(20)]
    assert looked({"train": rows[:10], "validation": rows[10:15], "test": rows[15:]}).noticed == ()
    assert looked({"train": [], "validation": [], "test": []}).noticed == ()


def test_personal_data_is_masked():
    said = f"write to jane.doe@example.com {numbered(0, 13)}"
    noticed, = looked({"train": [text(numbered(0, 13), "a:1")], "test": [text(said, "b:1")]}).noticed
    assert "jane.doe" not in noticed.rows[0].text and "jane.doe" not in noticed.finding.what


def test_benchmarks_are_named_from_the_folder_of_the_recipe(tmp_path):
    (tmp_path / "recipes").mkdir()
    path = tmp_path / "recipes" / "one.yaml"
    path.write_text("base: minilm-l6\ntask: classify\ndata:\n  train: rows.jsonl\n"
                    "  audit: [{type: contamination, files: [bench.jsonl, /there/other.jsonl]}]\n")
    section = next(each for each in read(path).data.audit if each.type == "contamination")
    assert section.settings.files == (str(tmp_path / "recipes" / "bench.jsonl"), "/there/other.jsonl")
    assert [file for _, file in located.files(section.settings)] == list(section.settings.files)
