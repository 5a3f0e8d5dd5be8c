"""Rows that are to be predicted become examples one by one, with or without what is to be predicted."""

from __future__ import annotations

import importlib
import io
import json
import sys

import pytest

from tunesmith import catalog
from tunesmith.data.ask import asked
from tunesmith.data.formats import conll, labelled
from tunesmith.recipe import Section
from tunesmith.records import Answer, Conversation, Finding, Labelled, Message, Pair, Question, Row, Tagged, Text

CHAT = (Conversation, Pair)


def section(module, **settings):
    return Section(module.__name__.rsplit(".", 1)[1], module.Settings(**settings), module)


def ask(given, takes, format=None, columns=(), **more):
    return list(asked(given, format, dict(columns), takes=takes, **more))


def of(values, takes, **more):
    (found,) = ask([Row(values, "f:7")], takes, **more)
    return found


@pytest.fixture
def typed(monkeypatch):
    def put(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data.encode()))))
    return put


@pytest.mark.parametrize(("values", "takes", "bare"), [
    ({"text": "t"}, (Labelled,), lambda one: (one.text, one.second, one.labels) == ("t", None, None)),
    ({"sentence1": "a", "sentence2": "b"}, (Labelled,), lambda one: (one.text, one.second, one.labels) == ("a", "b",
                                                                                                          None)),
    ({"text": "t", "label": "l"}, (Labelled,), lambda one: one.labels == ("l",)),
    ({"text": "t", "label": ""}, (Labelled,), lambda one: one.labels is None),
    ({"tokens": ["Hi", "."]}, (Tagged,), lambda one: (one.words, one.tags, one.text) == (("Hi", "."), None, "")),
    ({"text": "Hi, Bakı!"}, (Tagged,), lambda one: (one.words, one.starts) == (("Hi", ",", "Bakı", "!"), (0, 2, 4, 8))),
    ({"tokens": ["Hi"], "tags": ["O"]}, (Tagged,), lambda one: one.tags == ("O",)),
    ({"question": "q", "context": "c"}, (Question,), lambda one: (one.question, one.context, one.answers) == ("q", "c",
                                                                                                             None)),
    ({"question": "q", "context": "c", "answers": [{"text": "c", "answer_start": 0}]}, (Question,),
     lambda one: one.answers == (Answer("c", 0),)),
    ({"prompt": "p"}, CHAT, lambda one: (one.prompt, one.answer) == ("p", "")),
    ({"question": "q", "context": "c"}, CHAT, lambda one: one.prompt == "c\n\nq"),
    ({"source": ["a.", "b."]}, (Pair,), lambda one: (one.prompt, one.answer) == ("a. b.", "")),
    ({"translation": {"en": "yes", "az": "bəli"}}, (Pair,), lambda one: (one.prompt, one.answer) == ("yes", "bəli")),
    ({"instruction": "i", "input": "x"}, CHAT, lambda one: one.messages == (Message("user", "i\n\nx"),
                                                                            Message("assistant", ""))),
    ({"messages": [{"role": "user", "content": "u"}]}, CHAT, lambda one: one.messages == (Message("user", "u"),
                                                                                          Message("assistant", ""))),
    ({"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"},
                        {"from": "human", "value": "v"}]}, CHAT,
     lambda one: [turn.content for turn in one.messages] == ["u", "a", "v", ""]),
    ({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}, CHAT,
     lambda one: [turn.content for turn in one.messages] == ["u", "a"]),
    ({"text": "t"}, (Text,), lambda one: one.text == "t"),
])
def test_a_row_is_an_example_with_or_without_what_is_to_be_predicted(values, takes, bare):
    found = of(values, takes)
    assert isinstance(found, takes) and found.where == "f:7" and bare(found)


@pytest.mark.parametrize("name", catalog.names("format"))
@pytest.mark.parametrize("values", [{}, {"x": 1}, {"text": None}, {"prompt": ""}, {"messages": []}, {"tokens": []},
                                    {"messages": [{"role": "assistant", "content": ""}]}, {"question": "q"}])
def test_a_row_with_nothing_to_be_asked_is_one_finding_in_its_place(name, values):
    module = importlib.import_module(f"tunesmith.data.formats.{name}")
    (found,) = ask([Row(values, "f:7")], (module.makes,), section(module))
    usable = name in ("pair", "labelled") and "question" in values
    assert usable or (isinstance(found, Finding) and found.severity == "error" and found.where == "f:7")


def test_rows_keep_their_order_and_a_bad_one_stands_in_its_place(tmp_path):
    rows = [{"text": "a"}, {"text": 5}, {"label": "l"}, {"text": "d"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n" + '{"text": "f"}')
    found = ask(str(tmp_path / "a.jsonl"), (Labelled,), section(labelled))
    assert [isinstance(one, Finding) for one in found] == [False, True, True, False, True, False]
    assert [one.where.rpartition(":")[2] for one in found] == ["1", "2", "3", "4", "5", "6"]


def test_a_row_is_asked_before_the_next_is_read():
    read = []

    def rows():
        for number in range(10):
            read.append(number)
            yield Row({"text": str(number)}, f"f:{number}")

    for number, one in enumerate(asked(rows(), section(labelled), {}, takes=(Labelled,))):
        assert one.text == str(number) and read == list(range(number + 1))


def test_several_faults_of_a_row_are_one_finding():
    found = of({"messages": [{"role": "alien", "content": "x"}, {"role": "user", "content": 3}]}, CHAT)
    assert isinstance(found, Finding) and "alien" in found.what and "a number" in found.what


def test_json_lines_and_plain_lines_come_from_stdin(typed):
    typed('{"text": "a"}\n\n{"text": "b", "label": "l"}\n')
    assert [(one.text, one.labels, one.where) for one in ask("-", (Labelled,))] == [
        ("a", None, "stdin:1"), ("b", ("l",), "stdin:3")]
    typed("first line\nsecond line\n")
    assert [(one.text, one.labels) for one in ask("-", (Labelled,), section(labelled))] == [
        ("first line", None), ("second line", None)]
    typed("Who?\n")
    assert [(one.prompt, one.answer) for one in ask("-", CHAT)] == [("Who?", "")]


def test_words_come_from_stdin_in_columns_in_lines_of_aligned_files_or_as_text(typed):
    typed("Baku B-LOC\nis O\n\nHi O\n")
    assert [(one.words, one.tags) for one in ask("-", (Tagged,), section(conll))] == [
        (("Baku", "is"), ("B-LOC", "O")), (("Hi",), ("O",))]
    typed("Baku\nis\n\nHi\n")
    assert [(one.words, one.tags) for one in ask("-", (Tagged,), section(conll))] == [(("Baku", "is"), None),
                                                                                    (("Hi",), None)]
    typed("Baku is big .\n")
    assert [one.words for one in ask("-", (Tagged,), section(conll, aligned=True))] == [("Baku", "is", "big", ".")]
    typed("Baku is big.\n")
    assert [one.text for one in ask("-", (Tagged,), section(conll))] == ["Baku is big."]


def test_columns_without_names_are_those_of_the_recipe_or_told_by_what_they_hold(typed):
    table = "I slept\t0\nI laughed\t1\na film\t1\nno film\t0\n"
    typed(table)
    named = ask("-", (Labelled,), section(labelled), {"text": "column 1", "label": "column 2"}.items(), header=False)
    typed(table)
    told = ask("-", (Labelled,))
    for found in (named, told):
        assert [(one.text, one.labels) for one in found if isinstance(one, Labelled)] == [
            ("I slept", ("0",)), ("I laughed", ("1",)), ("a film", ("1",)), ("no film", ("0",))]


def test_bytes_from_stdin_that_are_no_utf8_and_rows_too_large_are_named(monkeypatch):
    data = b'{"text": "a"}\n{"text": "\xe9"}\n{"text": "' + b"x" * (9 * 2**20) + b'"}\n{"text": "d"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    found = ask("-", (Labelled,))
    assert [(one.kind if isinstance(one, Finding) else one.text) for one in found] == [
        "a", "data.encoding", "data.row_too_large", "d"]
