"""What every file of `data/formats/` promises."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tunesmith import catalog
from tunesmith.data.load import load
from tunesmith.data.places import at, written
from tunesmith.data.texts import texts
from tunesmith.data.turns import tidy
from tunesmith.errors import Problem, Problems, Refusal
from tunesmith.records import Answer, Conversation, Example, Labelled, Message, Pair, Question, Row, Tagged

ROWS = Path(__file__).parent / "rows"  # of formats that bring theirs as a file: rows, and what each of them gives
FORMATS = {name: importlib.import_module(f"tunesmith.data.formats.{name}") for name in catalog.names("format")}

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)
MAYBE = st.one_of(st.just(""), WORDS)


@st.composite
def conversations(draw, *, longest=4, has_system=True, may_skip=True):
    messages = [Message("system", draw(WORDS))] if has_system and draw(st.booleans()) else []
    rounds = draw(st.integers(1, longest))
    for number in range(rounds):
        messages.append(Message("user", draw(WORDS)))
        messages.append(Message("assistant", draw(WORDS), train=number == rounds - 1 or not may_skip
                                or draw(st.booleans())))
    return tuple(messages)


def as_messages(messages):
    turns = [{"role": one.role, "content": one.content} | ({} if one.train else {"train": False}) for one in messages]
    return {"messages": turns}


def as_sharegpt(messages):
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    turns = [{"from": names[one.role], "value": one.content} | ({} if one.train else {"train": False})
             for one in messages if one.role != "system"]
    return {"conversations": turns, "system": messages[0].content if messages[0].role == "system" else ""}


def as_alpaca(messages):
    values = {"instruction": messages[-2].content, "input": "", "output": messages[-1].content}
    return values | ({"system": messages[0].content} if messages[0].role == "system" else {})


@st.composite
def questions(draw):
    before, answer, after = draw(MAYBE), draw(WORDS), draw(MAYBE)
    answers = [Answer(answer, len(before))] if draw(st.booleans()) else []
    return draw(WORDS), before + answer + after, tuple(answers)


def as_squad(content):
    question, context, answers = content
    told = [{"text": one.text, "answer_start": one.start} for one in answers]
    return {"question": question, "context": context, "answers": told}


LABEL = WORDS.map(str.strip)


# for each format: what its examples hold, and how such an example is written as a row
CONTENTS = {
    "messages": (conversations(), as_messages),
    "sharegpt": (conversations(), as_sharegpt),
    "alpaca": (conversations(longest=1, may_skip=False), as_alpaca),
    "pair": (st.tuples(WORDS, WORDS), lambda pair: {"prompt": pair[0], "completion": pair[1]}),
    "text": (WORDS, lambda text: {"text": text}),
    "labelled": (st.tuples(WORDS, st.lists(LABEL, max_size=3).map(tuple), st.none() | WORDS),
                 lambda given: {"text": given[0], "label": list(given[1]) if len(given[1]) != 1 else given[1][0],
                                **({"second": given[2]} if given[2] else {})}),
    "conll": (st.lists(st.tuples(WORDS, LABEL), min_size=1).map(lambda pairs: tuple(zip(*pairs, strict=True))),
              lambda given: {"tokens": list(given[0]), "ner_tags": list(given[1])}),
    "squad": (questions(), as_squad),
    "question": (st.tuples(WORDS, LABEL, MAYBE).map(lambda one: (one[0], one[1] + one[2], (Answer(one[1], 0),))),
                 lambda given: {"question": given[0], "context": given[1], "answer": given[2][0].text}),
}

SAMPLES = {
    "messages": [
        {"messages": []}, {"messages": [{"role": "user", "content": "u"}]}, {"messages": "wrong"},
        {"conversations": [{"role": "user", "content": "u"}]}, {"messages": [{"role": "user"}], "text": "t"},
        {"messages": [{"role": "user", "content": "u"}], "prompt": "p", "answer": "a", "system": "s"},
    ],
    "sharegpt": [
        {"conversations": []}, {"conversations": [{"from": "human", "value": "h"}]}, {"conversations": 7},
        {"messages": [{"from": "human", "value": "h"}]}, {"conversations": [{"from": "gpt"}], "text": "t"},
    ],
    "alpaca": [
        {"instruction": "i", "output": "o"}, {"instruction": "i", "input": "", "output": "o"},
        {"instruction": "i", "input": "x", "output": "o", "text": "all", "system": "s"},
    ],
    "pair": [
        {"prompt": "p", "completion": "c"}, {"input": "i", "output": "o"}, {"question": "q", "answer": "a"},
        {"prompt": "p", "response": "r", "text": "t"}, {"prompt": "p", "answer": "a", "output": "o"},
        {"prompt": "p", "answer": "a", "label": 1}, {"source": "s", "target": "t"}, {"source": ["s"], "target": ["t"]},
        {"translation": {"en": "a", "az": "b"}}, {"translation": {"en": "a", "az": "b"}, "text": "t", "label": "l"},
        {"question": "q", "answer": "a", "source": "web"}, {"prompt": "p", "target": "t", "target_language": "az"},
    ],
    "text": [{"text": "t"}, {"text": "t", "url": "u"}, {"text": "t", "prompt": "p"}, {"text": 5}],
    "labelled": [
        {"text": "t", "label": "l"}, {"text": "t", "category": 3}, {"review": "r", "sentiment": "positive"},
        {"text": "t", "labels": ["a", "b"]}, {"sentence1": "a", "sentence2": "b", "label": 0},
        {"#1 String": "a", "#2 String": "b", "Quality": "1"}, {"question": "q", "label": "l"},
        {"sentence_A": "a", "sentence_B": "b", "relatedness_score": 4.5, "entailment_judgment": "NEUTRAL"},
        {"text": "t", "second": "s", "label": None}, {"text": "t", "label": "l", "prompt": "p"},
    ],
    "conll": [
        {"tokens": ["a"], "tags": ["O"]}, {"words": ["a", "b"], "labels": ["O"]}, {"tokens": ["a"], "ner_tags": [0]},
        {"tokens": ["a"], "tags": ["O"], "text": "a", "label": "l"}, {"column 1": ["a"], "column 2": ["O"]},
    ],
    "squad": [
        {"question": "q", "context": "c", "answers": [{"text": "c", "answer_start": 0}]},
        {"question": "q", "context": "c", "answers": {"text": ["c"], "answer_start": [0]}},
        {"question": "q", "context": "c", "answers": [], "is_impossible": True, "id": 7, "title": "t"},
        {"question": "q", "context": "c", "answers": [{"text": "c", "answer_start": "0"}], "answer": "c"},
    ],
    "question": [
        {"question": "q", "answer": "a", "context": "a"}, {"question": "q", "answer": "a", "context": "c"},
        {"prompt": "p", "answer": "a", "context": "", "label": "l"}, {"source": "s", "target": "t", "context": "t"},
        {"input": "q", "output": "a", "context": "b a", "answer_start": 2, "id": 3},
    ],
}
NOBODYS = [{}, {"a": 1}, {"Sual": "s", "Cavab": "c"}, {"prompt": "p"}, {"answer": "a"}, {"instruction": "i"},
           {"question": "q", "input": "i", "output": "o"}, {"prompt": "p", "chosen": "c", "rejected": "r"}]

BAD_VALUES = [None, 3, True, [], ["x"], {}, {"x": 1}, "", "  ", [None], [[]], [{}], [{"role": 1}], [{"from": 1}],
              [{"role": "user", "content": 5}], [{"from": "human", "value": None}],
              [{"role": "alien", "content": "x"}], [{"from": "alien", "value": "x"}],
              [{"role": "tool", "content": "x"}], [{"from": "observation", "value": "x"}],
              [{"text": "c", "answer_start": 5}], [{"text": "", "answer_start": True}], {"text": "c"}, ["", "y"]]


def brought(gives):
    """What a row gives, as `bare` has it: turns, a prompt and its answer, or a text."""
    if isinstance(gives, str):
        return gives
    return tuple(gives) if isinstance(gives[0], str) else tuple(
        Message(turn["role"], turn["content"], turn.get("train", True)) for turn in gives)


for file in sorted(ROWS.glob("*.json")):
    cases = {brought(case["gives"]): case["row"] for case in json.loads(file.read_text(encoding="utf-8"))}
    CONTENTS[file.stem] = (st.sampled_from(list(cases)), cases.__getitem__)
    SAMPLES[file.stem] = list(cases.values())


def bare(example):
    if isinstance(example, Conversation):
        return example.messages
    if isinstance(example, Labelled):
        return example.text, example.labels, example.second
    if isinstance(example, Tagged):
        return example.words, example.tags
    if isinstance(example, Question):
        return example.question, example.context, example.answers
    return (example.prompt, example.answer) if isinstance(example, Pair) else example.text


def test_every_format_has_its_round_trip_and_its_samples_here():
    assert CONTENTS.keys() == SAMPLES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_offers_what_the_contract_names(name):
    module = FORMATS[name]
    assert module.makes in get_args(Example)
    assert module.reads in ("records", "blocks", "whole")
    assert issubclass(module.Settings, BaseModel)
    assert "Source:" in module.__doc__


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_an_example_written_as_a_row_is_read_as_that_example(name, data):
    contents, written = CONTENTS[name]
    module, content = FORMATS[name], data.draw(contents)
    values = json.loads(json.dumps(written(content)))
    assert module.looks_like(values)
    (example,) = module.convert(Row(values, "f.jsonl:7"), module.Settings())
    assert isinstance(example, module.makes)
    assert bare(example) == content
    assert example.where == "f.jsonl:7"
    assert " ".join(example.group.split()) == example.group


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_claimed_by_its_own_format_and_by_no_other(name):
    for sample in SAMPLES[name]:
        assert [other for other in FORMATS if FORMATS[other].looks_like(sample)] == [name], sample


def test_what_is_of_no_format_is_claimed_by_none():
    for sample in NOBODYS:
        assert [name for name in FORMATS if FORMATS[name].looks_like(sample)] == [], sample


@given(st.dictionaries(
    st.sampled_from(["messages", "conversations", "instruction", "input", "output", "prompt", "question", "answer",
                     "completion", "response", "text", "system", "context", "label", "labels", "tags", "tokens",
                     "second", "sentence1", "sentence2", "answers", "source", "target", "translation", "column 1",
                     "column 2"]),
    st.sampled_from(["x", "", None, 1, [], ["x"], {"en": "x", "az": "y"}, [{"text": "x"}], [{"role": "user"}],
                     [{"from": "human"}], [{"role": "user", "from": "x"}]])))
def test_no_two_formats_claim_one_row(values):
    assert len([name for name in FORMATS if FORMATS[name].looks_like(values)]) <= 1


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_a_bad_row_gives_a_problem_with_its_line(name, data):
    module = FORMATS[name]
    sample = dict(data.draw(st.sampled_from(SAMPLES[name])))
    column = data.draw(st.sampled_from(sorted(module.columns(sample, module.Settings()))))
    sample[column] = data.draw(st.sampled_from(BAD_VALUES))
    try:
        examples = module.convert(Row(sample, "f.jsonl:7"), module.Settings())
    except (Problem, Problems) as error:
        problems = error.problems if isinstance(error, Problems) else [error]
        assert all(isinstance(one, Refusal) and one.where == "f.jsonl:7" and one.remedy for one in problems)
    else:
        assert all(isinstance(example, module.makes) for example in examples)


@pytest.mark.parametrize("name", FORMATS)
def test_the_columns_that_are_read_are_columns_of_the_row(name):
    module = FORMATS[name]
    for sample in SAMPLES[name]:
        assert set(module.columns(sample, module.Settings())) <= sample.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_the_texts_that_may_be_written_anew_are_texts_of_columns_that_are_read(name):
    module = FORMATS[name]
    for sample in SAMPLES[name]:
        for place in module.texts(sample, module.Settings()):
            assert isinstance(at(sample, place), str)
            assert place[0] in module.columns(sample, module.Settings())


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None)
@given(data=st.data())
def test_a_row_written_anew_says_the_new_texts_and_keeps_its_labels(name, data):
    contents, written_as = CONTENTS[name]
    module = FORMATS[name]
    values = json.loads(json.dumps(written_as(data.draw(contents))))
    places = list(module.texts(values, module.Settings()))
    (before,) = module.convert(Row(values, "f.jsonl:7"), module.Settings())
    anew = written(values, places, [f"{at(values, place)}!" if at(values, place) else "" for place in places])
    (after,) = module.convert(Row(anew, "f.jsonl:7"), module.Settings())
    assert texts(after)[-1] == texts(before)[-1] + ("!" if places else "")
    assert len(texts(after)) == len(texts(before))
    assert [at(values, place) for place in places] == [at(anew, place)[:-1] for place in places]
    if isinstance(before, Labelled):
        assert after.labels == before.labels


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None)
@given(data=st.data())
def test_a_bad_row_has_only_texts_as_texts(name, data):
    module = FORMATS[name]
    sample = dict(data.draw(st.sampled_from(SAMPLES[name])))
    column = data.draw(st.sampled_from(sorted(module.columns(sample, module.Settings()))))
    sample[column] = data.draw(st.sampled_from(BAD_VALUES))
    assert all(isinstance(at(sample, place), str) for place in module.texts(sample, module.Settings()))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_rows_is_recognised_and_loaded(name, tmp_path):
    contents = {"messages": (Message("user", "u"), Message("assistant", "a")), "pair": ("p", "a"), "text": "t",
                "labelled": ("t", ("l",), None), "conll": (("w",), ("O",)), "squad": ("q", "c", (Answer("c", 0),)),
                "question": ("q", "c", (Answer("c", 0),))}
    content = contents.get(name, contents["messages"])
    if (ROWS / f"{name}.json").is_file():
        content = brought(json.loads((ROWS / f"{name}.json").read_text(encoding="utf-8"))[0]["gives"])
    (tmp_path / "a.jsonl").write_text(json.dumps(CONTENTS[name][1](content)) + "\n")
    loaded = load("a.jsonl", base_folder=tmp_path)
    assert (loaded.format, [bare(example) for example in loaded.examples]) == (name, [content])
    assert [one.kind for one in loaded.findings] == (["data.to"] if name == "question" else [])


@given(conversations())
def test_a_conversation_in_order_is_not_touched(messages):
    example = Conversation(messages, "f.jsonl:7", "g")
    assert tidy(example) == (example, [])
