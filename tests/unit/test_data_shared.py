"""Published data sets load with the counts that they are known to have."""

from __future__ import annotations

import pytest

from tunesmith.data.load import load
from tunesmith.data.split import apart, leaks, split

EXPECTED = {
    "gsm8k/train.jsonl": ("pair", 7473),
    "gsm8k/test.jsonl": ("pair", 1319),
    "chat_oasst/train.jsonl": ("messages", 600),
    "chat_oasst/validation.jsonl": ("messages", 166),
    "chat_sgd/train.jsonl": ("messages", 700),
    "alpaca/alpaca_cleaned_first_1000.json": ("alpaca", 1000),
    "alpaca/alpaca_gpt4_demo.json": ("alpaca", 999),
    "alpaca/instruction_data_1100.json": ("alpaca", 1100),
    "html_faq/faq_covidbert.csv": ("pair", 213),
    "banking77/train.csv": ("labelled", 10003),
    "banking77/test.csv": ("labelled", 3080),
    "sentiment_az/train.csv": ("labelled", 4000),
    "sib200/azj_Latn/train.tsv": ("labelled", 701),
    "mrpc/msr-para-train.tsv": ("labelled", 3576),
    "mrpc/msr-para-test.tsv": ("labelled", 1725),
    "mrpc/msr-para-val.tsv": ("labelled", 500),
    "sick2014/SICK_train.txt": ("labelled", 4500),
    "imdb_html/train.csv": ("labelled", 700),
    "wnut17/train.conll": ("conll", 3394),
    "wnut17/dev.conll": ("conll", 1009),
    "wnut17/test.conll": ("conll", 1287),
    "wikigold/wikigold.conll": ("conll", 1696),  # 145 more of its blocks are `-DOCSTART-`
    "squad_v1/train.json": ("squad", 672),
    "squad_v2/train.json": ("squad", 1907),
    "xquad/xquad.en.json": ("squad", 1190),
    "tquad/dev-v0.1.json": ("squad", 892),
    "text_az/ted_az.txt": ("text", 20852),
    "text_en/wiki_demo_400k.txt": ("text", 8),
}


@pytest.mark.parametrize("file", EXPECTED)
def test_a_published_set_loads_whole(shared, file):
    loaded = load(file, base_folder=shared / "data")
    assert (loaded.format, len(loaded.examples)) == EXPECTED[file]
    assert [found for found in loaded.findings if found.severity == "error"] == []


def test_the_empty_answers_of_code_alpaca_are_named(shared):
    loaded = load("alpaca/code_alpaca_2k.json", base_folder=shared / "data")
    assert (len(loaded.examples), loaded.rows) == (2015, 2017)
    assert [found.kind for found in loaded.findings if found.severity == "error"] == ["data.empty_field"] * 2


@pytest.mark.parametrize(("file", "count"), [("train", 3576), ("test", 1725), ("val", 500)])
def test_no_row_of_mrpc_is_swallowed_by_its_quotes(shared, file, count):
    path = shared / "data" / "mrpc" / f"msr-para-{file}.tsv"
    loaded = load(path.name, base_folder=path.parent)
    cells = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines()[1:]]
    assert [(one.labels[0], one.text, one.second) for one in loaded.examples] == [
        (label, first, second) for label, _, _, first, second in cells]
    assert (len(loaded.examples), loaded.unused) == (count, ("#1 ID", "#2 ID"))


def test_two_aligned_files_are_sentences_and_their_tags_as_they_stand(shared):
    loaded = load(["ner_az/sents.txt", "ner_az/tags.txt"], base_folder=shared / "data")
    assert (loaded.format, len(loaded.examples)) == ("conll", 1350)
    assert {"o", "C0LOC", "I-ATE", "B-DAT"} < {tag for one in loaded.examples for tag in one.tags}
    sents = (shared / "data/ner_az/sents.txt").read_text(encoding="utf-8").split("\n")
    assert all(" ".join(one.words) == " ".join(sents[int(one.where.rpartition(":")[2]) - 1].split())
               for one in loaded.examples)


UNNAMED = {
    "sst2/train.tsv": ("labelled", 6920), "sst2/dev.tsv": ("labelled", 872), "sst2/test.tsv": ("labelled", 1821),
    "goemotions/train.tsv": ("labelled", 14281), "goemotions/test.tsv": ("labelled", 5427),
    "tatoeba_aze_eng/aze.txt": ("pair", 2217),
}


@pytest.mark.parametrize("file", UNNAMED)
def test_no_row_of_a_set_without_a_header_is_eaten_or_invented(shared, file):
    loaded = load(file, base_folder=shared / "data")
    lines = (shared / "data" / file).read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert (loaded.format, len(loaded.examples)) == UNNAMED[file] and len(lines) == UNNAMED[file][1]
    texts = [one.text if loaded.format == "labelled" else one.prompt for one in loaded.examples]
    bare = [line.split("\t")[0].replace('"', "") for line in lines]  # goemotions writes some quotes twice, in quotes
    assert [text.replace('"', "") for text in texts] == bare
    assert [one.severity for one in loaded.findings if one.kind == "data.guessed"] == ["warning"]


def test_ids_of_several_emotions_are_names(shared):
    loaded = load("goemotions/train.tsv", base_folder=shared / "data")
    assert loaded.examples[3].text.startswith("It might be linked") and loaded.examples[3].labels == ("neutral",)
    assert {len(one.labels) for one in loaded.examples} == {1, 2, 3, 4, 5}
    assert len({label for one in loaded.examples for label in one.labels}) == 28


def test_two_labels_beside_two_sentences_are_read_one_or_the_other_as_the_recipe_says(shared):
    classes = load("sick2014/SICK_train.txt", base_folder=shared / "data").examples
    scores = load("sick2014/SICK_train.txt", base_folder=shared / "data",
                  columns={"label": "relatedness_score"}).examples
    assert {one.labels[0] for one in classes} == {"NEUTRAL", "ENTAILMENT", "CONTRADICTION"}
    assert (scores[0].labels, scores[0].second) == (("4.5",), classes[0].second) and len(scores) == len(classes) == 4500


def test_a_text_over_several_lines_keeps_its_label_and_its_line(shared):
    examples = load("banking77/train.csv", base_folder=shared / "data").examples
    over = [one for one in examples if "\n" in one.text]
    assert len(over) == 10 and len({one.labels for one in examples}) == 77
    lines = (shared / "data/banking77/train.csv").read_bytes().split(b"\n")
    for one in over:
        assert one.text.split("\n")[0].encode() in lines[int(one.where.rpartition(":")[2]) - 1]


def test_sentences_of_an_abstract_are_joined_and_every_summary_is_a_right_one(shared):
    examples = load("scitldr/dev.jsonl", base_folder=shared / "data").examples
    assert {bool(one.references) for one in examples} == {True, False}  # more than one summary, or one
    assert all(one.answer == one.references[0] for one in examples if one.references)
    assert examples[0].prompt.startswith("Mixed precision training (MPT) is becoming")


def test_a_separator_line_that_holds_a_tab_is_no_word(shared):
    examples = load("wnut17/train.conll", base_folder=shared / "data").examples
    assert all(word.strip() for one in examples for word in one.words)
    assert sum(len(one.words) for one in examples) == 62730


def test_offsets_that_are_texts_are_read_and_each_answer_stands_where_it_says(shared):
    examples = load("tquad/dev-v0.1.json", base_folder=shared / "data").examples
    answers = [(one, answer) for one in examples for answer in one.answers]
    assert all(one.context[answer.start:answer.start + len(answer.text)] == answer.text for one, answer in answers)
    assert examples[0].id == "959" and len(examples[0].answers) == 3


def test_a_question_is_found_at_its_line_in_a_file_of_many_lines(shared):
    lines = (shared / "data/xquad/xquad.en.json").read_text(encoding="utf-8").split("\n")
    for one in load("xquad/xquad.en.json", base_folder=shared / "data").examples:
        at = int(one.where.rpartition(":")[2]) - 1
        assert lines[at].strip() == "{" and any(one.id in line for line in lines[at:at + 12])


def test_calls_of_tools_are_read_from_sharegpt(shared):
    loaded = load("chat_tools/glaive_toolcall_en_demo.json", base_folder=shared / "data")
    assert (loaded.format, len(loaded.examples), loaded.rows) == ("sharegpt", 300, 300)
    assert [found for found in loaded.findings if found.severity == "error"] == []
    assert sum(len(turn.calls) for example in loaded.examples for turn in example.messages) == 211


def test_calls_and_reasoning_in_parts_are_read(shared):
    loaded = load("chat_tools/reason_tool_use_demo_50.jsonl", base_folder=shared / "data")
    turns = [turn for example in loaded.examples for turn in example.messages]
    assert (loaded.format, len(loaded.examples), loaded.rows) == ("messages", 50, 50)
    assert (sum(len(turn.calls) for turn in turns), sum(bool(turn.reasoning) for turn in turns)) == (68, 112)


def test_conversations_of_one_first_prompt_stay_on_one_side(shared):
    examples = load("chat_oasst/train.jsonl", base_folder=shared / "data").examples
    assert len({example.group for example in examples}) == 119
    sides = split(examples, 0.1, 0.1, seed=0)
    assert leaks(sides) == [] and min(map(len, sides.values())) > 0
    assert sum(map(len, sides.values())) == 600


def test_the_published_files_of_oasst_do_not_leak_into_each_other(shared):
    sides = {side: load(f"chat_oasst/{side}.jsonl", base_folder=shared / "data").examples
             for side in ("train", "validation")}
    assert leaks(sides) == []


def test_paragraphs_that_squad_and_xquad_share_are_counted_and_can_be_left_out(shared):
    files = {name: load(f"{name}.json", base_folder=shared / "data").examples for name in (
        "squad_v1/train", "squad_v1/dev", "squad_v2/train", "squad_v2/dev", "xquad/xquad.en")}
    there = {example.group for example in files["xquad/xquad.en"]}
    learnt = {example.group for name, examples in files.items() if "squad_v" in name for example in examples}
    assert (len(there), len(there & learnt)) == (240, 53)
    sides = {"train": files["squad_v1/train"], "validation": files["squad_v1/dev"], "test": files["xquad/xquad.en"]}
    kept, [told] = apart(sides, "drop")
    assert [len(kept[side]) for side in sides] == [672, 347, 1074]
    assert told.what.startswith("116 of 1190 rows of the test side are left out: their 29 group(s)")
