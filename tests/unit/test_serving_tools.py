"""Tools offered to a served run by OpenAI's own client; what the model answers is forced."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections import Counter
from dataclasses import replace

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs_of import hats, run_on
from served import allowed, serving
from tiny import tiny_base
from tunesmith.encoding.templates.calls import Way
from tunesmith.generation.continuous import Continuous
from tunesmith.inference import predictor
from tunesmith.recipe.read import read
from tunesmith.records import Call, Message
from tunesmith.serving.calling import Hearing
from tunesmith.serving.registry import Registry
from tunesmith.serving.settings import Settings
from tunesmith.serving.written import Part, Token

pytestmark = allowed
QUESTION = [{"role": "user", "content": "How warm is it in Bakı?"}]
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "Tells the weather.", "parameters": {
        "type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}}}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"place": "Bakı"}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "weather", "arguments": {"place": "Gəncə", "days": [1, 2]}}\n</tool_call>'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    return run_on(tiny_base(folder / "base", max_position_embeddings=2048), folder, data={
        "train": str(hats(folder)), "validation": 0.1, "test": 0.25, "template": "chatml-tools"})


@pytest.fixture(scope="module")
def opened(run):
    return predictor.open(str(run))


@pytest.fixture(scope="module")
def server(run, opened, tmp_path_factory):
    plain = tiny_base(tmp_path_factory.mktemp("plain") / "plain", max_position_embeddings=2048)
    models = Registry(Settings())
    models.put("tools", opened, read(run / "recipe.yaml"))
    models.add("plain", plain)
    with serving(models) as running:
        yield running


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def says(opened, monkeypatch):
    """Lets every answer be the next of these texts, token by token, then the end."""
    texts, real, told = [], Continuous.step, Counter()

    def step(batch):
        heard = []
        for each in real(batch):
            ids = opened.codec.encode(texts[0], control=True).ids
            place = told[each.key]
            told[each.key] += 1
            if place < len(ids):
                heard.append(replace(each, token=ids[place], stopped_by=each.stopped_by.replace("end", "")))
            else:
                heard.append(replace(each, token=opened.codec.eos, stopped_by="end"))
                batch.remove(each.key)
        return heard

    monkeypatch.setattr(Continuous, "step", step)

    def answer(text):
        texts[:] = [text]

    return answer


def ask(client, messages=QUESTION, **more):
    return client.chat.completions.create(**{
        "model": "tools", "messages": messages, "tools": [WEATHER], "max_tokens": 400, **more})


def streamed(client, **more):
    """The content, the calls and the end, put together from the pieces as clients do."""
    content, calls, finish = "", {}, None
    for piece in ask(client, stream=True, **more):
        for choice in piece.choices:
            content += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                calls.setdefault(call.index, ["", ""])
                calls[call.index][0] += call.function.name or ""
                calls[call.index][1] += call.function.arguments or ""
            finish = choice.finish_reason or finish
    return content, [calls[place] for place in sorted(calls)], finish


def test_a_tool_is_called_answered_and_the_model_goes_on(client, opened, says):
    says(CALL)
    first = ask(client, tool_choice="auto", parallel_tool_calls=True)
    choice, = first.choices
    call, = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content, call.type) == ("tool_calls", None, "function")
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"place": "Bakı"})
    asked = [Message("user", QUESTION[0]["content"])]
    assert first.usage.prompt_tokens == len(opened.prompt(asked, [WEATHER]))

    says("It is 31 degrees.")
    second = ask(client, [*QUESTION, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "31"}])
    assert (second.choices[0].message.content, second.choices[0].finish_reason) == ("It is 31 degrees.", "stop")
    assert second.choices[0].message.tool_calls is None
    told = [*asked, Message("assistant", "", calls=(Call("weather", {"place": "Bakı"}, call.id),)),
            Message("tool", "31", name="weather", call=call.id)]
    assert second.usage.prompt_tokens == len(opened.prompt(told, [WEATHER]))


@pytest.mark.parametrize(("text", "content", "calls"), [
    (CALL, None, [{"place": "Bakı"}]),
    (f"I look.\n{CALL}\n{OTHER}", "I look.", [{"place": "Bakı"}, {"place": "Gəncə", "days": [1, 2]}]),
    ("It is < 31 degrees.\n", "It is < 31 degrees.\n", []),
    (CALL.replace("}}", "}"), CALL.replace("}}", "}"), []),
    (CALL.replace("weather", "launch"), CALL.replace("weather", "launch"), []),
    (f"{CALL} So.", f"{CALL} So.", []),
])
def test_calls_are_told_as_such_and_all_else_as_text_streamed_or_whole(client, says, text, content, calls):
    says(text)
    whole = ask(client).choices[0]
    assert whole.message.content == content
    assert [json.loads(call.function.arguments) for call in whole.message.tool_calls or ()] == calls
    assert whole.finish_reason == ("tool_calls" if calls else "stop")
    pieces = streamed(client)
    assert pieces == (content or "", [["weather", json.dumps(each, ensure_ascii=False)] for each in calls],
                      whole.finish_reason)


def test_ids_of_calls_differ_and_are_what_the_strictest_template_takes(client, says):
    says(f"{CALL}\n{OTHER}")
    ids = [call.id for choice in ask(client, n=3).choices for call in choice.message.tool_calls]
    assert len(set(ids)) == 6 and all(len(each) == 9 and each.isalnum() for each in ids)


def test_an_answer_that_was_cut_off_is_no_call(client, says):
    says(f"{CALL}\n{OTHER}")
    count = len(ask(client, logprobs=True).choices[0].logprobs.content)
    cut = ask(client, max_tokens=count - 3).choices[0]
    assert (cut.finish_reason, cut.message.tool_calls) == ("length", None)
    assert cut.message.content and f"{CALL}\n{OTHER}".startswith(cut.message.content)


def test_log_probabilities_are_told_of_every_token_of_calls_too(client, says, opened):
    says(f"I look.\n{CALL}")
    whole = [token.token for token in ask(client, logprobs=True).choices[0].logprobs.content]
    assert len(whole) == len(opened.codec.encode(f"I look.\n{CALL}", control=True).ids)
    pieces = [token.token for piece in ask(client, logprobs=True, stream=True) for choice in piece.choices
              if choice.logprobs for token in choice.logprobs.content]
    assert pieces == whole


def test_where_no_tool_may_be_called_none_is_offered_and_no_text_is_a_call(client, opened, says):
    says(CALL)
    answer = ask(client, tool_choice="none")
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (CALL, "stop")
    assert answer.usage.prompt_tokens == len(opened.prompt([Message("user", QUESTION[0]["content"])]))
    assert ask(client, tools=openai.NOT_GIVEN).choices[0].message.content == CALL


def turn(**more):
    return {"role": "assistant", "tool_calls": [{
        "id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}", **more}}]}


@pytest.mark.parametrize(("extra", "said"), [
    ({"tool_choice": "required"}, "`tool_choice` is not supported other than as `auto` and `none`"),
    ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, "`tool_choice` is not supported"),
    ({"parallel_tool_calls": False}, "`parallel_tool_calls` is not supported"),
    ({"tools": [WEATHER, WEATHER]}, "two of one name"),
    ({"tools": [{"type": "function", "function": {"name": "two words"}}]}, "function.name"),
    ({"tools": [{"type": "function", "function": {"name": "weather", "strict": True}}]}, "function.strict"),
    ({"tools": [{"type": "web_search"}]}, "`tools.0`: type"),
    ({"tools": [{**WEATHER, "extra": 1}]}, "`tools.0`: extra"),
    ({"messages": [*QUESTION, turn(arguments="{")]}, "messages.1.tool_calls.0.function.arguments"),
    ({"messages": [*QUESTION, turn(arguments='{"a": "\\ud800"}')]}, "are no JSON object, or none that can be told"),
    ({"messages": [*QUESTION, turn(arguments='{"a": ' + "[" * 900 + "]" * 900 + "}")]}, "are no JSON object"),
    ({"messages": [*QUESTION, {"role": "tool", "content": "31", "tool_call_id": "b"}]}, "no call before it"),
    ({"messages": [*QUESTION, {"role": "tool", "content": "31"}]}, "has a `tool_call_id`"),
    ({"messages": [{"role": "user"}]}, "`content` is missing"),
    ({"messages": [{"role": "user", "content": "a", "tool_calls": turn()["tool_calls"]}]}, "are an assistant's"),
    ({"model": "plain"}, "calls of tools cannot be told and read back with this template"),
    ({"model": "plain", "tools": None, "messages": [*QUESTION, turn()]}, "the template does not write"),
])
def test_what_cannot_be_kept_about_tools_is_refused_by_its_name(client, extra, said):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**{"model": "tools", "messages": QUESTION, "tools": [WEATHER], **extra})
    assert said in raised.value.body["message"]


ODD = (None, True, -1, float("nan"), 2**200, "", "a", "\x00", "\ud800", "\U000f0000", [], {}, [[]], [None], {"": {}},
       {"\ud800": 1}, json.loads("[" * 300 + "]" * 300))


def places(value, path=()):
    """The paths of all values within a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


@pytest.mark.long
def test_no_value_at_any_place_finds_a_fault(server):
    body = {"model": "tools", "max_tokens": 1, "tools": [WEATHER], "tool_choice": "auto", "messages": [
        *QUESTION, turn(), {"role": "tool", "content": "31", "tool_call_id": "a"}]}
    found = Counter()
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        for path in list(places(body))[1:]:
            for value in ODD:
                wrong = copy.deepcopy(body)
                *way, last = path
                functools.reduce(operator.getitem, way, wrong)[last] = value
                answer = client.post("/v1/chat/completions", content=json.dumps(wrong),
                                     headers={"Content-Type": "application/json"})
                found[answer.status_code] += 1
                assert answer.status_code in (200, 400, 404), (path, value, answer.text)
    assert found[200] and found[400] > found[200]


def test_half_a_character_in_a_call_is_told_in_ascii(client, says):
    says('<tool_call>{"name": "weather", "arguments": {"place": "\\ud83d"}}</tool_call>')
    call, = ask(client).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"place": "\ud83d"}


HERMES = Way("<tool_call>\n", "\n</tool_call>", "\n</tool_call>\n<tool_call>\n", None, "name", "arguments",
             frozenset({"name", "arguments"}))
MISTRAL = Way("[TOOL_CALLS] [", "]", ", ", None, "name", "arguments", frozenset({"name", "arguments", "id"}), "id")
BARE = Way("", "", None, None, "name", "parameters", frozenset({"name", "parameters"}))
NAMED = Way("[CALL]\0[NAME]", "", "[CALL]\0[NAME]", "[ARGS]")
PIECES = [
    "<tool_call>", "</tool_call>", "\n", "\n\n\n", " ", "<", "So ", "[TOOL_CALLS]", "[TOOL", " [", "]", ", ", "[CALL]",
    "a1", "[NAME]", "weather", "[ARGS]", "</think>", "<think>", "{", '{"place": 1}',
    '{"name": "weather", "arguments": {}}', '{"name": "weather", "parameters": {"a": 2}}',
    '{"name": "launch", "arguments": {}}',
]


@given(way=st.sampled_from([HERMES, MISTRAL, BARE, NAMED]), pieces=st.lists(st.sampled_from(PIECES), max_size=12),
       size=st.integers(1, 5))
def test_an_answer_in_pieces_says_what_it_says_whole_and_takes_nothing_back(way, pieces, size):
    text = "".join(pieces)
    parts = [text[place : place + size] for place in range(0, len(text), size)] or [""]
    hearing = Hearing(way, ["weather"], set())
    told = []
    for number, part in enumerate(parts):
        tokens = [Token(0, number * size, 0.0, ())] if part else []
        told.append(hearing.take(Part(part, tokens, "stop" if number == len(parts) - 1 else "")))
    said, calls = way.read(text, ["weather"])
    assert "".join(each.text for each in told) == (said if calls else text)
    assert [call["function"]["name"] for each in told for call in each.calls] == [call.name for call in calls]
    assert sum(len(each.tokens) for each in told) == len([part for part in parts if part])
    assert told[-1].finish == ("tool_calls" if calls else "stop")
