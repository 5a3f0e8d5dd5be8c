"""Turns of conversations: roles, calls, reasoning, and what of them cannot be learnt."""

from __future__ import annotations

import json

import pytest

from loaded import chat, put, section, told
from tunesmith.data.formats import messages
from tunesmith.data.load import load
from tunesmith.records import Call, Message


def only_conversation(tmp_path, values):
    put(tmp_path, values)
    loaded = load("a.jsonl", base_folder=tmp_path)
    return (loaded.examples[0].messages if loaded.examples else None), told(loaded)


def test_the_content_may_be_a_list_of_text_parts_and_the_assistant_be_called_model(tmp_path):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    values = {"conversations": [{"role": "user", "content": parts}, {"role": "model", "content": "c"}]}
    assert only_conversation(tmp_path, values) == ((Message("user", "ab"), Message("assistant", "c")), [])


@pytest.mark.parametrize("off", [{"train": False}, {"weight": 0}])
def test_a_turn_can_be_kept_out_of_the_loss(tmp_path, off):
    values = chat(("user", "u"), ("assistant", "a"), ("user", "v"), ("assistant", "b"))
    values["messages"][1] |= off
    found, _ = only_conversation(tmp_path, values)
    assert [message.train for message in found] == [True, False, True, True]


def test_the_system_column_comes_first(tmp_path):
    values = {"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "system": "s"}
    assert only_conversation(tmp_path, values)[0][0] == Message("system", "s")


def test_a_system_column_and_a_system_turn_exclude_each_other(tmp_path):
    values = chat(("system", "t"), ("user", "u"), ("assistant", "a"), system="s")
    assert only_conversation(tmp_path, values) == (None, [("data.two_systems", "a.jsonl:1")])


CALL = {"name": "weather", "arguments": {"place": "Baku"}}
CALLED = [
    {"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": CALL | {"arguments": '{"place": "Baku"}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "windy"}, {"role": "assistant", "content": "Windy."}]},
    {"messages": [
        {"role": "user", "content": "u"}, {"role": "assistant", "content": "", "function_call": CALL | {"id": "c1"}},
        {"role": "function", "name": "weather", "content": "windy"}, {"role": "assistant", "content": "Windy."}]},
    {"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "tool_call", "value": json.dumps(CALL | {"id": "c1"})}]},
        {"role": "tool", "content": [{"type": "text", "value": "windy"}]}, {"role": "assistant", "content": "Windy."}]},
    {"conversations": [
        {"from": "human", "value": "u"}, {"from": "function_call", "value": json.dumps(CALL | {"id": "c1"})},
        {"from": "observation", "value": "windy"}, {"from": "gpt", "value": "Windy."}]},
]


@pytest.mark.parametrize("values", CALLED)
def test_a_call_and_its_answer_are_the_same_however_they_are_written(tmp_path, values):
    found, findings = only_conversation(tmp_path, values)
    assert findings == []
    assert found == (
        Message("user", "u"), Message("assistant", "", calls=(Call("weather", {"place": "Baku"}, "c1"),)),
        Message("tool", "windy", name="weather", call="c1"), Message("assistant", "Windy."))


def test_a_call_without_an_id_gets_one_that_its_answer_names(tmp_path):
    values = {"conversations": [
        {"from": "human", "value": "u"}, {"from": "function_call", "value": json.dumps([CALL, CALL])},
        {"from": "observation", "value": "1"}, {"from": "observation", "value": "2"}, {"from": "gpt", "value": "a"}]}
    found, _ = only_conversation(tmp_path, values)
    assert [call.id for call in found[1].calls] == [found[2].call, found[3].call] == ["call00000", "call00001"]


@pytest.mark.parametrize("tools", [
    [CALL], json.dumps([CALL]), [{"type": "function", "function": CALL}]])
def test_definitions_of_tools_are_read_from_their_column(tmp_path, tools):
    put(tmp_path, chat(("user", "u"), ("assistant", "a"), tools=tools))
    found = load("a.jsonl", base_folder=tmp_path).examples[0]
    assert [tool["function"] for tool in found.tools] == [CALL]


UNCLEAR = [
    chat(("user", "u"), ("assistant", "a"), tools=[{"title": "f"}]),
    chat(("user", "u"), ("assistant", "a"), tools="no JSON"),
    {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
    {"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": "f"}]},
    {"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": '{"name": "f", '
                                                         '"arguments": [1]}'}]},
]


@pytest.mark.parametrize("values", UNCLEAR)
def test_what_names_no_tool_is_refused_in_plain_words(tmp_path, values):
    found, findings = only_conversation(tmp_path, values)
    assert (found, findings) == (None, [("data.tool_turns", "a.jsonl:1")])


def test_a_user_calls_no_tools_and_does_not_reason(tmp_path):
    for extra in ({"tool_calls": [CALL]}, {"reasoning_content": "hm"}):
        values = {"messages": [{"role": "user", "content": "u", **extra}, {"role": "assistant", "content": "a"}]}
        assert only_conversation(tmp_path, values) == (None, [("data.not_the_assistants", "a.jsonl:1")])


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_read_under_each_of_its_names(tmp_path, name):
    values = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a", name: "hm"}]}
    assert only_conversation(tmp_path, values)[0][1] == Message("assistant", "a", reasoning="hm")


@pytest.mark.parametrize("none", ["[]", [], "", None])
def test_an_empty_list_of_tools_is_no_reason_to_refuse(tmp_path, none):
    assert only_conversation(tmp_path, chat(("user", "u"), ("assistant", "a"), tools=none))[1] == []


def test_several_mistakes_of_one_row_come_at_once(tmp_path):
    values = chat(("alien", "x"), ("user", 3), ("assistant", " "), tools=[1])
    found, findings = only_conversation(tmp_path, values)
    assert found is None
    assert {kind for kind, _ in findings} == {
        "data.wrong_type", "data.unknown_role", "data.empty_answer"}


@pytest.mark.parametrize(("values", "kind"), [
    (chat(("user", "u")), "data.no_answer"),
    (chat(), "data.no_answer"),
    (chat(("user", "u"), ("assistant", " \n")), "data.empty_answer"),
    (chat(("user", "u"), ("human", "a")), "data.unknown_role"),
    ({"conversations": [{"from": "human", "value": "u"}, {"from": "alien", "value": "a"}]}, "data.unknown_role"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "data.content_part"),
    ({"messages": [{"role": "assistant", "content": "a", "train": "no"}]}, "data.wrong_type"),
])
def test_a_conversation_that_cannot_be_learnt_from_is_an_error(tmp_path, values, kind):
    assert only_conversation(tmp_path, values) == (None, [(kind, "a.jsonl:1")])


@pytest.mark.parametrize(("roles", "kinds"), [
    ("asst", ["data.assistant_first"]),
    ("user user asst", ["data.repeated_role"]),
    ("user asst asst", ["data.repeated_role"]),
    ("user system asst", ["data.system_not_first"]),
    ("system asst user asst", ["data.assistant_first"]),
])
def test_an_odd_order_of_roles_is_a_warning(tmp_path, roles, kinds):
    names = [{"asst": "assistant"}.get(role, role) for role in roles.split()]
    found, findings = only_conversation(tmp_path, chat(*((name, "x") for name in names)))
    assert [message.role for message in found] == names
    assert findings == [(kind, "a.jsonl:1") for kind in kinds]


def test_turns_after_the_last_answer_are_left_out_with_a_warning(tmp_path):
    found, findings = only_conversation(tmp_path, chat(("user", "u"), ("assistant", "a"), ("user", "v")))
    assert found == (Message("user", "u"), Message("assistant", "a"))
    assert findings == [("data.trailing_turns", "a.jsonl:1")]


def test_an_empty_turn_of_the_user_is_a_warning(tmp_path):
    assert only_conversation(tmp_path, chat(("user", ""), ("assistant", "a")))[1] == [
        ("data.empty_turn", "a.jsonl:1")]


def test_an_alpaca_input_follows_its_instruction_after_a_blank_line_and_may_be_missing(tmp_path):
    put(tmp_path, {"instruction": "i", "input": "x", "output": "o"}, {"instruction": "i", "input": "", "output": "o"},
        {"instruction": "i", "output": "p"}, {"instruction": "", "input": "x", "output": "o"},
        {"instruction": "", "input": " ", "output": "o"})
    loaded = load("a.jsonl", base_folder=tmp_path)
    assert [example.messages[0].content for example in loaded.examples] == ["i\n\nx", "i", "i", "x"]
    assert told(loaded) == [("data.empty_field", "a.jsonl:5")]


def test_the_format_messages_is_a_choice_of_the_recipe(tmp_path):
    put(tmp_path, chat(("user", "u"), ("assistant", "a")))
    assert load("a.jsonl", format=section(messages), base_folder=tmp_path).format == "messages"
