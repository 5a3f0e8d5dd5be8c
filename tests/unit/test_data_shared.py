"""Published data sets load with the counts that they are known to have."""

from __future__ import annotations

import pytest

from tunesmith.data.load import load
from tunesmith.data.split import leaks, split

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
    "banking77/train.csv": ("text", 10003),
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
    loaded = load(f"mrpc/msr-para-{file}.tsv", base_folder=shared / "data",
                  columns={"prompt": "#1 String", "answer": "#2 String"})
    assert (len(loaded.examples), loaded.unused) == (count, ("Quality", "#1 ID", "#2 ID"))


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
