"""Rows become examples: the format is recognised, columns are renamed, and what is odd is told."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from loaded import QUESTION, chat, only, put, section, told
from tunesmith.data.formats import pair, text
from tunesmith.data.load import load, sniff
from tunesmith.errors import Misuse
from tunesmith.records import Answer, Conversation, Pair

# --- recognising


def test_the_format_of_most_rows_is_taken_and_the_others_are_named(tmp_path):
    put(tmp_path, {"text": "t"}, QUESTION, QUESTION | {"answer": "b"}, chat(("user", "u"), ("assistant", "a")))
    loaded = load("a.jsonl", base_folder=tmp_path)
    assert (loaded.format, len(loaded.examples), loaded.rows) == ("pair", 2, 4)
    assert told(loaded, "error") == [("data.mixed", "a.jsonl:1"), ("data.mixed", "a.jsonl:4")]
    assert "messages" in loaded.findings[1].what


def test_prompts_in_one_file_and_turns_in_another_are_read_together_and_told(tmp_path):
    put(tmp_path, QUESTION, QUESTION | {"answer": "b"}, QUESTION | {"answer": "c"})
    put(tmp_path, chat(("user", "u"), ("assistant", "a")), chat(("user", "v"), ("assistant", "w")), name="b.jsonl")
    loaded = load(["a.jsonl", "b.jsonl"], base_folder=tmp_path)
    assert [type(example) for example in loaded.examples] == [Pair, Pair, Pair, Conversation, Conversation]
    assert (loaded.format, told(loaded, "error")) == ("pair", [])
    assert only(loaded, "data.formats").what == "the file is read as `messages`, others as `pair`"
    assert only(loaded, "data.formats").where == "b.jsonl"


def test_a_row_of_another_format_is_named_in_whichever_of_several_files_it_stands(tmp_path):
    put(tmp_path, chat(("user", "u"), ("assistant", "a")), QUESTION, QUESTION | {"answer": "b"})
    put(tmp_path, chat(("user", "u"), ("assistant", "a")), chat(("user", "v"), ("assistant", "w")), QUESTION,
        name="b.jsonl")
    put(tmp_path, {"text": "no prompt and no turns"}, name="c.jsonl")
    loaded = load(["a.jsonl", "b.jsonl", "c.jsonl"], base_folder=tmp_path)
    assert told(loaded, "error") == [
        ("data.mixed", "a.jsonl:1"), ("data.mixed", "b.jsonl:3"), ("data.mixed", "c.jsonl:1")]


def test_a_misspelt_column_of_turns_is_told_by_the_name_that_the_others_have(tmp_path):
    turns = chat(("user", "u"), ("assistant", "a"))
    put(tmp_path, turns, {"mesages": turns["messages"]})
    told = only(load("a.jsonl", base_folder=tmp_path), "data.missing_field")
    assert (told.what, told.where) == ("the row has no `messages`; its columns are: `mesages`", "a.jsonl:2")
    assert told.remedy.startswith("rename `mesages` to `messages`")


def test_a_format_that_the_recipe_names_is_not_guessed_again(tmp_path):
    put(tmp_path, {"text": "t", "prompt": "p", "answer": "a"}, {"text": "t"})
    loaded = load("a.jsonl", format=section(text), base_folder=tmp_path)
    assert [example.text for example in loaded.examples] == ["t", "t"]
    assert loaded.unused == ("prompt", "answer")


def test_rows_that_do_not_fit_the_named_format_are_told_with_the_columns_they_have(tmp_path):
    put(tmp_path, chat(("user", "u"), ("assistant", "a")))
    loaded = load("a.jsonl", format=section(pair), base_folder=tmp_path)
    assert told(loaded, "error") == [("data.missing_field", "a.jsonl:1")] * 2
    assert "its columns are: `messages`" in loaded.findings[0].what


def test_columns_that_differ_in_capitals_alone_are_proposed_as_what_they_are(tmp_path):
    put(tmp_path, {"Instruction": "Say it.", "Input": "", "Output": "It, it, it, and once more."})
    remedy = only(load("a.jsonl", base_folder=tmp_path), "data.format_unknown").remedy
    assert "{columns: {instruction: Instruction, input: Input, output: Output}}" in remedy
    put(tmp_path, QUESTION, QUESTION | {"question": "r"}, {"question": "s", "Answer": "b"})
    found = only(load("a.jsonl", base_folder=tmp_path), "data.missing_field")
    assert found.where == "a.jsonl:3" and found.remedy.startswith("rename `Answer` to `answer`")


def test_two_columns_that_could_be_the_answer_are_asked_about(tmp_path):
    put(tmp_path, {"prompt": "p", "completion": "c", "response": "r"})
    assert only(load("a.jsonl", base_folder=tmp_path), "data.format_unknown")
    named = load("a.jsonl", format=section(pair), base_folder=tmp_path)
    assert only(named, "data.ambiguous").what == "`completion` and `response` could each be the answer"
    mapped = load("a.jsonl", columns={"prompt": "prompt", "answer": "response"}, base_folder=tmp_path)
    assert mapped.examples == (Pair("p", "r", "a.jsonl:1", "p"),)
    assert mapped.unused == ("completion",)


@pytest.mark.parametrize(("header", "row", "line"), [
    ("Sual,Cavab", "Bu nədir,Kitab", {"prompt": "Sual", "answer": "Cavab"}),
    ('"Sual: 1",no', "Bu nədir,Kitab", {"prompt": "Sual: 1", "answer": "no"}),
    ("nömrə,Sual,Cavab", "17,Bu nədir,Kitab", {"prompt": "Sual", "answer": "Cavab"}),
    ("body,rating", "Bu kitabdır,5", {"text": "body"}),
])
def test_unknown_columns_are_named_with_the_line_that_makes_them_usable(tmp_path, header, row, line):
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    found = only(load("a.csv", base_folder=tmp_path), "data.format_unknown")
    assert found.severity == "error" and found.where == "a.csv:2"
    written = YAML(typ="safe").load(found.remedy.split("`")[1])
    assert written == {"data": {"columns": line}}
    loaded = load("a.csv", columns=line, base_folder=tmp_path)
    assert len(loaded.examples) == 1 and told(loaded, "error") == []


# --- columns


def test_renamed_columns_give_the_examples_that_the_usual_names_would(tmp_path):
    put(tmp_path, {"Sual": "q", "Cavab": "a", "id": 3})
    loaded = load("a.jsonl", columns={"prompt": "Sual", "answer": "Cavab"}, base_folder=tmp_path)
    assert loaded.examples == (Pair("q", "a", "a.jsonl:1", "q"),)
    assert (loaded.columns, loaded.unused) == (("Sual", "Cavab", "id"), ("id",))


def test_a_renamed_column_takes_the_place_of_one_that_has_the_name_already(tmp_path):
    put(tmp_path, QUESTION | {"good answer": "b"})
    loaded = load("a.jsonl", columns={"answer": "good answer"}, base_folder=tmp_path)
    assert loaded.examples[0].answer == "b"
    assert loaded.unused == ("answer",)


def test_a_column_that_no_row_has_is_told_with_the_nearest(tmp_path):
    put(tmp_path, QUESTION)
    loaded = load("a.jsonl", columns={"prompt": "questoin"}, group="zzz", base_folder=tmp_path)
    found = [one for one in loaded.findings if one.kind == "data.unknown_column"]
    assert [(one.what.split("`")[1], one.remedy) for one in found] == [
        ("data.columns.prompt", "use `question`"), ("data.group", "use one of: `question`, `answer`")]


def test_a_field_that_the_format_does_not_read_is_told(tmp_path):
    put(tmp_path, QUESTION | {"mood": "good"})
    loaded = load("a.jsonl", columns={"feeling": "mood"}, base_folder=tmp_path)
    assert "`feeling`, which the format pair does not read" in only(loaded, "data.unknown_field").what


def test_unused_columns_are_told(tmp_path):
    put(tmp_path, QUESTION | {"id": 1}, QUESTION | {"link": ""})
    found = only(load("a.jsonl", base_folder=tmp_path), "data.unused_columns")
    assert (found.severity, found.what) == ("note", "columns that are not used: `id`, `link`")


# --- context


@pytest.mark.parametrize(("values", "use", "first"), [
    ({"instruction": "q", "output": "a"}, {"input": "context"}, "q\n\nc"),
    (chat(("user", "q"), ("assistant", "a")), {"system": "context"}, "c"),
])
def test_a_context_is_refused_until_the_recipe_says_what_it_is(tmp_path, values, use, first):
    put(tmp_path, values, values | {"context": "c"}, values | {"context": "d"})
    found = only(load("a.jsonl", base_folder=tmp_path), "data.context")
    assert (found.severity, found.where) == ("error", "a.jsonl:2") and found.what.startswith("2 row(s)")
    lines = [YAML(typ="safe").load(part)["data"]["columns"] for part in found.remedy.split("`")[1::2]]
    assert lines == [use, {"context": ""}]
    used, left_out = [load("a.jsonl", columns=line, base_folder=tmp_path) for line in lines]
    example = used.examples[1]
    assert (example.messages[0].content if isinstance(example, Conversation) else example.prompt) == first
    assert told(used, "error") == told(left_out, "error") == []
    assert len({str(one.messages if isinstance(one, Conversation) else one.prompt)
                for one in left_out.examples}) == 1


def test_a_question_with_a_context_is_answered_from_it_or_with_it_as_the_rows_have_it_and_it_is_said(tmp_path):
    put(tmp_path, QUESTION | {"context": "an a"}, {"question": "r", "answer": "b", "context": "a b"})
    loaded = load("a.jsonl", base_folder=tmp_path)
    assert [(one.question, one.context, one.answers) for one in loaded.examples] == [
        ("q", "an a", (Answer("a", 0),)), ("r", "a b", (Answer("b", 2),))]
    assert only(loaded, "data.to").what == (
        "2 of 2 rows with a `context` have their answer in it, so they are questions to `extract` answers for")
    put(tmp_path, QUESTION, QUESTION | {"context": "c"}, QUESTION | {"context": "d"})
    written = load("a.jsonl", base_folder=tmp_path)
    assert [one.prompt for one in written.examples] == ["q", "c\n\nq", "d\n\nq"]
    assert only(written, "data.to").what.startswith("0 of 2 rows") and told(written, "error") == []
    left_out = load("a.jsonl", columns={"context": ""}, base_folder=tmp_path)
    assert [one.prompt for one in left_out.examples] == ["q", "q", "q"]


def test_an_empty_context_is_no_reason_to_refuse(tmp_path):
    put(tmp_path, QUESTION | {"context": ""}, QUESTION | {"context": None})
    assert told(load("a.jsonl", base_folder=tmp_path), "error") == []


def test_a_context_by_another_name_comes_before_the_prompt_and_groups_the_rows(tmp_path):
    put(tmp_path, QUESTION | {"background": "long  story"},
        {"question": "r", "answer": "b", "background": "long story"})
    loaded = load("a.jsonl", columns={"context": "background"}, base_folder=tmp_path)
    assert [example.prompt for example in loaded.examples] == ["long  story\n\nq", "long story\n\nr"]
    assert {example.group for example in loaded.examples} == {"long story"}


# --- groups and doubles


def test_conversations_that_start_alike_are_of_one_group_whatever_their_spaces(tmp_path):
    put(tmp_path, chat(("user", "How  are\nyou?"), ("assistant", "a")),
        chat(("system", "s"), ("user", " How are you?"), ("assistant", "b"), ("user", "v"), ("assistant", "c")))
    assert {example.group for example in load("a.jsonl", base_folder=tmp_path).examples} == {"How are you?"}


def test_a_column_can_name_the_group(tmp_path):
    put(tmp_path, QUESTION | {"tree": 7}, {"question": "r", "answer": "b", "tree": 7}, QUESTION | {"tree": None})
    loaded = load("a.jsonl", group="tree", base_folder=tmp_path)
    assert [example.group for example in loaded.examples] == ["7", "7"]
    assert told(loaded) == [("data.no_group", "a.jsonl:3")]


# --- several files


def test_rows_of_several_files_come_in_the_order_of_the_files(tmp_path):
    put(tmp_path, QUESTION, name="b.jsonl")
    (tmp_path / "a.csv").write_text("prompt,completion\np,c\n")
    loaded = load(["b.jsonl", "a.csv"], base_folder=tmp_path)
    assert [example.where for example in loaded.examples] == ["b.jsonl:1", "a.csv:2"]
    assert loaded.findings == ()


def test_a_missing_file_is_a_misuse(tmp_path):
    with pytest.raises(Misuse) as caught:
        load("a.jsonl", base_folder=tmp_path)
    assert (caught.value.kind, caught.value.exit_code) == ("data.missing", 2)


def test_sniffing_tells_format_count_and_findings(tmp_path):
    put(tmp_path, QUESTION, QUESTION | {"answer": ""})
    name, count, findings = sniff("a.jsonl", base_folder=tmp_path)
    assert (name, count, [one.where for one in findings]) == ("pair", 1, ["a.jsonl:2"])


# --- what messages show of a stranger's file


def test_names_that_a_terminal_would_obey_are_shown_as_escapes(tmp_path):
    put(tmp_path, {"evil\x1b[2J\u202e": "x y", "other": "z"})
    found = only(load("a.jsonl", base_folder=tmp_path), "data.format_unknown")
    assert r"`evil\x1b[2J\u202e`" in found.what
    assert (found.what + found.remedy).isprintable()


def test_endless_names_and_many_of_them_are_cut(tmp_path):
    put(tmp_path, {f"{number}{'x' * 10_000}": "t" for number in range(50)})
    found = only(load("a.jsonl", base_folder=tmp_path), "data.format_unknown")
    assert found.what.endswith("…` and 38 more") and len(found.what + found.remedy) < 1200


def test_a_table_without_a_header_is_told_so(tmp_path):
    (tmp_path / "a.tsv").write_text("I like it\t17\tabc\nI do not\t3\tdef\n")
    loaded = load("a.tsv", base_folder=tmp_path)
    assert "called `column 1` to `column 3`" in only(loaded, "data.header").what


def test_no_path_at_all_is_a_misuse(tmp_path):
    with pytest.raises(Misuse, match="no data file is named"):
        load([], base_folder=tmp_path)
