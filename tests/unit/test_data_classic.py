"""Labels, tags and answers in contexts are read from files as their fields publish them; what is wrong is named."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from tunesmith.data.formats import conll, labelled, pair
from tunesmith.data.load import load
from tunesmith.errors import Misuse
from tunesmith.reading.read import rows
from tunesmith.recipe import Section
from tunesmith.records import Answer, Row


def section(module, **settings):
    return Section(module.__name__.rsplit(".", 1)[1], module.Settings(**settings), module)


def put(folder, name, text):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def told(loaded, severity="error"):
    return [(one.kind, one.where) for one in loaded.findings if one.severity == severity]


def only(loaded, kind):
    (found,) = [one for one in loaded.findings if one.kind == kind]
    return found


# --- tables without a header


UNNAMED = "a good film\t1\tx1\na dull film\t0\tx2\nI slept\t0\tx3\nI laughed\t1\tx4\n"


def test_a_first_row_that_cannot_be_names_is_a_row_and_what_was_guessed_is_said_with_the_line_to_write(tmp_path):
    put(tmp_path, "a.tsv", UNNAMED)
    loaded = load("a.tsv", base_folder=tmp_path)
    assert [(one.text, one.labels) for one in loaded.examples] == [
        ("a good film", ("1",)), ("a dull film", ("0",)), ("I slept", ("0",)), ("I laughed", ("1",))]
    assert only(loaded, "data.header").severity == "note" and only(loaded, "data.guessed").severity == "warning"
    assert "`data: {columns: {text: column 1, label: column 2}}`" in only(loaded, "data.guessed").remedy
    said = load("a.tsv", base_folder=tmp_path, header=False, columns={"text": "column 1", "label": "column 2"})
    assert said.examples == loaded.examples
    assert not {"data.header", "data.guessed"} & {one.kind for one in said.findings}


@pytest.mark.parametrize("header", ["text\tlabel\tid\n", "label\ttext\tx\n", "Mətn\tSinif\tNömrə\n", "text\t1\t2\n"])
def test_a_first_row_of_names_is_no_row(tmp_path, header):
    put(tmp_path, "a.tsv", header + UNNAMED)
    loaded = load("a.tsv", base_folder=tmp_path)
    assert (loaded.rows, loaded.unnamed) == (4, False)


def test_names_for_a_table_without_a_header_stand_in_the_recipe_and_no_row_is_taken_for_them(tmp_path):
    put(tmp_path, "a.csv", "text,label\nfine,text\n")
    loaded = load("a.csv", base_folder=tmp_path, header=("text", "label"))
    assert [(one.text, one.labels, one.where) for one in loaded.examples] == [
        ("text", ("label",), "a.csv:1"), ("fine", ("text",), "a.csv:2")]


def test_a_first_row_of_numbers_is_the_header_where_the_recipe_says_so(tmp_path):
    put(tmp_path, "a.csv", "1,2\nsome words,3\n")
    loaded = load("a.csv", base_folder=tmp_path, header=True, columns={"text": "1", "label": "2"})
    assert [(one.text, one.labels) for one in loaded.examples] == [("some words", ("3",))]


def test_two_texts_beside_a_label_are_a_pair_of_texts_and_two_without_one_a_prompt_and_its_answer(tmp_path):
    put(tmp_path, "a.tsv", "".join(f"first text {n}\tsecond text {n}\t{n % 2}\n" for n in range(6)))
    (one, *_) = load("a.tsv", base_folder=tmp_path).examples
    assert (one.text, one.second, one.labels) == ("first text 0", "second text 0", ("0",))
    long = "x" * 70
    put(tmp_path, "b.tsv", "".join(f"first text {n}\tsecond text {n}\t{long} {n}\n" for n in range(6)))
    (one, *_) = load("b.tsv", base_folder=tmp_path).examples
    assert (one.prompt, one.answer) == ("first text 0", "second text 0")


def test_ids_of_several_labels_take_their_names_from_the_file_beside_them(tmp_path):
    put(tmp_path, "a.tsv", "".join(f"some words {n}\t{n % 3}{',2' if n % 3 == 0 else ''}\n" for n in range(30)))
    put(tmp_path, "labels.txt", "joy\nfear\nlove\n")
    loaded = load("a.tsv", base_folder=tmp_path)
    assert [one.labels for one in loaded.examples[:3]] == [("joy", "love"), ("fear",), ("love",)]
    assert "labels.txt" in only(loaded, "data.labels").what


# --- labels


def test_a_label_by_name_makes_a_table_labelled_and_a_prompt_with_its_answer_stays_a_pair(tmp_path):
    put(tmp_path, "a.csv", "text,category\nhello,greeting\n")
    put(tmp_path, "b.csv", "question,label\nwhy?,cause\n")
    put(tmp_path, "c.csv", "prompt,answer,label\np,a,l\n")
    assert [load(name, base_folder=tmp_path).format for name in ("a.csv", "b.csv", "c.csv")] == [
        "labelled", "labelled", "pair"]


def test_a_column_that_may_be_a_label_is_one_only_where_few_values_recur(tmp_path):
    put(tmp_path, "few.csv", "text,rating\n" + "".join(f"words {n},{n % 3}\n" for n in range(24)))
    put(tmp_path, "many.csv", "text,rating\n" + "".join(f"words {n},{n}.5\n" for n in range(24)))
    few, many = load("few.csv", base_folder=tmp_path), load("many.csv", base_folder=tmp_path)
    assert (few.format, many.format) == ("labelled", "text")
    assert "`rating` as the label" in only(few, "data.guessed").what and many.unused == ("rating",)


def test_labels_that_are_nearly_all_different_are_warned_about(tmp_path):
    put(tmp_path, "a.csv", "text,label\n" + "".join(f"words {n},summary {n}\n" for n in range(30)))
    assert only(load("a.csv", base_folder=tmp_path), "data.many_labels").severity == "warning"


@pytest.mark.parametrize(("row", "kind"), [
    ({"text": "t", "label": None}, "data.missing_field"), ({"text": "t", "label": "  "}, "data.empty_field"),
    ({"text": "t"}, "data.missing_field"), ({"text": "t", "label": {"x": 1}}, "data.wrong_type"),
    ({"text": "", "label": "l"}, "data.empty_field"), ({"text": "t", "label": ["a", ""]}, "data.empty_field"),
])
def test_a_row_without_its_label_is_named_by_its_line(tmp_path, row, kind):
    put(tmp_path, "a.jsonl", json.dumps({"text": "t", "label": "l"}) + "\n" + json.dumps(row) + "\n")
    loaded = load("a.jsonl", base_folder=tmp_path, format=section(labelled))
    assert told(loaded) == [(kind, "a.jsonl:2")] and len(loaded.examples) == 1


def test_numbers_stay_as_they_are_written_and_several_labels_come_from_lists_or_one_text(tmp_path):
    put(tmp_path, "a.jsonl", '{"text": "a", "label": 4.5}\n{"text": "b", "label": ["x", "y"]}\n'
                             '{"text": "c", "label": []}\n{"text": "d", "label": true}\n{"text": "e", "label": "3.60"}')
    assert [one.labels for one in load("a.jsonl", base_folder=tmp_path).examples] == [
        ("4.5",), ("x", "y"), (), ("true",), ("3.60",)]
    put(tmp_path, "b.csv", "text,labels\na,x;y\nb,\nc,y\n")
    loaded = load("b.csv", base_folder=tmp_path, format=section(labelled, separator=";"))
    assert [one.labels for one in loaded.examples] == [("x", "y"), (), ("y",)]


def test_an_id_beyond_the_file_of_names_is_named_by_its_line(tmp_path):
    put(tmp_path, "names.txt", "no\nyes\n")
    put(tmp_path, "a.csv", "text,label\na,1\nb,2\nc,no\n")
    names = str(tmp_path / "names.txt")
    loaded = load("a.csv", base_folder=tmp_path, format=section(labelled, names=names))
    assert [one.labels for one in loaded.examples] == [("yes",), ("no",)]
    assert told(loaded) == [("data.no_label_name", "a.csv:3")]
    with pytest.raises(Misuse, match="file of names"):
        load("a.csv", base_folder=tmp_path, format=section(labelled, names=names + "x"))


# --- tags


def test_columns_blank_lines_comments_and_document_marks_are_told_apart(tmp_path):
    put(tmp_path, "a.conll", "-DOCSTART- -X- O\n\n# the first sentence here\nBaku NNP B-LOC\n# is O\n \t \nHi UH O\n")
    loaded = load("a.conll", base_folder=tmp_path)
    assert [(one.words, one.tags, one.where) for one in loaded.examples] == [
        (("Baku", "#"), ("B-LOC", "O"), "a.conll:4"), (("Hi",), ("O",), "a.conll:7")]
    named = load("a.conll", base_folder=tmp_path, columns={"tags": "column 2"})
    assert [one.tags for one in named.examples] == [("NNP", "is"), ("UH",)]


def test_a_word_that_begins_with_a_number_sign_is_a_word(tmp_path):
    put(tmp_path, "a.conll", "#nlp\tO\n#\tO\n\t\nrocks\tO\n")
    assert [one.words for one in load("a.conll", base_folder=tmp_path).examples] == [("#nlp", "#"), ("rocks",)]


@pytest.mark.parametrize("name", ["a.txt", "a.tsv"])
def test_a_column_file_under_the_name_of_a_text_or_a_table_is_recognised(tmp_path, name):
    put(tmp_path, name, "Baku\tB-LOC\nis\tO\n\nHi\tO\n\nAz\tB-LOC\n")
    loaded = load(name, base_folder=tmp_path)
    assert (loaded.format, len(loaded.examples)) == ("conll", 3)


def test_a_line_without_its_tag_is_named_and_costs_its_own_sentence_only(tmp_path):
    put(tmp_path, "a.conll", "a O\nb O\n\nBaku\nis O\n\nc O\n")
    loaded = load("a.conll", base_folder=tmp_path)
    assert told(loaded) == [("data.cells", "a.conll:4")] and [one.words for one in loaded.examples] == [
        ("a", "b"), ("c",)]


def test_two_aligned_files_are_one_set_and_a_line_of_other_length_is_named(tmp_path):
    put(tmp_path, "words.txt", "Baku is\n\nHi there you\nEnd .\nBaku is")
    put(tmp_path, "tags.txt", "B-LOC O\n\nO O\nO O\nB-LOC O")
    loaded = load(["words.txt", "tags.txt"], base_folder=tmp_path, format=section(conll, aligned=True))
    assert [(one.words, one.where) for one in loaded.examples] == [
        (("Baku", "is"), "words.txt:1"), (("End", "."), "words.txt:4"), (("Baku", "is"), "words.txt:5")]
    assert told(loaded) == [("data.unequal", "words.txt:3")]
    put(tmp_path, "tags.txt", "B-LOC O\n")
    shorter = load(["words.txt", "tags.txt"], base_folder=tmp_path, format=section(conll, aligned=True))
    assert told(shorter) == [("data.unaligned", "words.txt:2")]
    with pytest.raises(Misuse, match="in twos"):
        load("words.txt", base_folder=tmp_path, format=section(conll, aligned=True))


@pytest.mark.parametrize("order", [("words.txt", "tags.txt"), ("tags.txt", "words.txt")])
def test_two_aligned_files_are_recognised_in_either_order(tmp_path, order):
    put(tmp_path, "words.txt", "Baku is big\nHi there\n")
    put(tmp_path, "tags.txt", "B-LOC O O\nO O\n")
    loaded = load(order, base_folder=tmp_path)
    assert [one.words for one in loaded.examples] == [("Baku", "is", "big"), ("Hi", "there")]


def test_lists_of_unequal_length_are_named_by_their_line(tmp_path):
    put(tmp_path, "a.jsonl", '{"tokens": ["a", "b"], "ner_tags": ["O"]}\n{"tokens": ["a"], "ner_tags": ["O"]}\n')
    loaded = load("a.jsonl", base_folder=tmp_path)
    assert told(loaded) == [("data.unequal", "a.jsonl:1")]
    assert "2 words and 1 tags" in only(loaded, "data.unequal").what


# --- questions


def squad(*answers, context="one two one three", **more):
    asked = {"question": "which?", "id": "q1", "answers": list(answers), **more}
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"qas": [asked], "context": context}]}]}, indent=1)


@pytest.mark.parametrize(("start", "words", "what"), [
    (3, "three", "it stands at character 12"), (1, "one", "it stands there 2 times"), (-4, "two", "at character 4"),
    (0, "four", "nowhere else in it"), (10**30, "two", "at character 4"),
])
def test_an_answer_at_another_place_is_named_with_where_it_really_stands(tmp_path, start, words, what):
    put(tmp_path, "a.json", squad({"text": words, "answer_start": start}))
    found = only(load("a.json", base_folder=tmp_path), "data.answer_offset")
    assert (found.where, found.severity) == ("a.json:8", "error") and what in found.what and "`q1`" in found.what


def test_questions_without_an_answer_and_offsets_as_texts_are_read(tmp_path):
    put(tmp_path, "a.json", squad({"text": "three", "answer_start": "12"}))
    put(tmp_path, "b.json", squad(is_impossible=True, plausible_answers=[{"text": "one", "answer_start": 0}]))
    assert [one.answers for one in load(["a.json", "b.json"], base_folder=tmp_path).examples] == [
        (Answer("three", 12),), ()]


def test_a_whole_file_that_is_cut_short_gives_what_stands_before_and_the_line(tmp_path):
    cut = squad({"text": "two", "answer_start": 4})[:-3]
    put(tmp_path, "a.json", cut)
    loaded = load("a.json", base_folder=tmp_path)
    assert told(loaded) == [("data.json", f"a.json:{len(cut.splitlines())}")] and len(loaded.examples) == 1


def test_rows_of_the_hubs_form_are_the_same_questions(tmp_path):
    put(tmp_path, "a.jsonl", json.dumps({
        "id": "q1", "title": "t", "context": "one two one three", "question": "which?",
        "answers": {"text": ["two", "three"], "answer_start": [4, 12]}}))
    (one,) = load("a.jsonl", base_folder=tmp_path).examples
    assert (one.id, one.answers, one.group) == ("q1", (Answer("two", 4), Answer("three", 12)), "one two one three")


# --- pairs


def test_lists_and_languages_of_pairs_are_read(tmp_path):
    put(tmp_path, "a.jsonl", '{"source": ["One.", "Two."], "target": ["short", "brief"]}\n'
                             '{"source": "s", "target": "t", "target_language": "az"}\n')
    first, second = load("a.jsonl", base_folder=tmp_path).examples
    assert (first.prompt, first.answer, first.references) == ("One. Two.", "short", ("short", "brief"))
    assert (second.references, second.language) == ((), "az")


def test_a_translation_goes_from_its_first_language_or_as_the_format_says(tmp_path):
    put(tmp_path, "a.jsonl", '{"translation": {"en": "yes", "az": "bəli"}}\n')
    (one,) = load("a.jsonl", base_folder=tmp_path).examples
    assert (one.prompt, one.answer, one.language) == ("yes", "bəli", "az")
    (one,) = load("a.jsonl", base_folder=tmp_path, format=section(pair, source="az")).examples
    assert (one.prompt, one.answer, one.language) == ("bəli", "yes", "en")
    wrong = load("a.jsonl", base_folder=tmp_path, format=section(pair, target="tr"))
    assert told(wrong) == [("data.no_language", "a.jsonl:1")]


# --- dirt, and what cannot be read


@pytest.mark.parametrize(("name", "before", "bad", "after", "line"), [
    ("a.csv", b"text,label\nfine,l\n", b"caf\xe9,l\n", b"good,l\n", 3),
    ("a.conll", b"fine O\n\n", b"caf\xe9 O\n", b"\ngood O\n", 3),
    ("a.tsv", b"text\tlabel\nfine\tl\n", b"caf\xe9\tl\n", b"good\tl\n", 3),
])
def test_bytes_that_are_no_utf8_cost_their_own_row_only(tmp_path, name, before, bad, after, line):
    put(tmp_path, name, before + bad + after)
    loaded = load(name, base_folder=tmp_path)
    assert told(loaded) == [("data.encoding", f"{name}:{line}")] and len(loaded.examples) == 2


@pytest.mark.parametrize(("name", "begin", "end"), [
    ("a.csv", "text,label\nfine,l\n", ",l\ngood,l\n"), ("a.conll", "fine O\n\n", " O\n\ngood O\n"),
    ("a.tsv", "text\tlabel\nfine\tl\n", "\tl\ngood\tl\n"),
    ("a.jsonl", '{"text": "fine", "label": "l"}\n\n{"text": "', '", "label": "l"}\n{"text": "good", "label": "l"}\n'),
])
def test_a_row_of_ten_megabytes_is_named_and_costs_itself_only(tmp_path, name, begin, end):
    put(tmp_path, name, begin + "x" * (10 * 2**20) + end)
    loaded = load(name, base_folder=tmp_path)
    assert told(loaded) == [("data.row_too_large", f"{name}:3")] and len(loaded.examples) == 2


def test_a_column_file_is_read_in_the_memory_of_a_few_sentences(tmp_path):
    put(tmp_path, "a.conll", "some O\nwords O\n. O\n\n" * 5000)
    tracemalloc.start()
    try:
        assert sum(isinstance(one, Row) for one in rows("a.conll", base_folder=tmp_path)) == 5000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_a_sentence_that_never_ends_is_named(tmp_path):
    put(tmp_path, "a.conll", "fine O\n\n" + ("x" * 1000 + " O\n") * 9000 + "\ngood O\n")
    loaded = load("a.conll", base_folder=tmp_path)
    assert told(loaded) == [("data.row_too_large", "a.conll:3")] and len(loaded.examples) == 2


def test_a_table_under_the_name_of_a_text_is_recognised_and_a_recipe_can_say_that_it_is_text(tmp_path):
    put(tmp_path, "a.txt", "text\tlabel\nI slept\tbad\nI laughed\tgood\n")
    loaded = load("a.txt", base_folder=tmp_path)
    assert (loaded.format, len(loaded.examples), only(loaded, "data.unit").severity) == ("labelled", 2, "note")
    from tunesmith.data.formats import text

    assert len(load("a.txt", base_folder=tmp_path, format=section(text)).examples) == 3
