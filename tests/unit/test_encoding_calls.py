"""Calls of tools read back out of what templates write: the calls as they were, or a text, and never another call."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import templates
from tunesmith.encoding.documents import chat
from tunesmith.encoding.proofs.calls import way_of
from tunesmith.encoding.templates.calls import Way
from tunesmith.encoding.tokens import codec
from tunesmith.errors import Refusal
from tunesmith.records import Call, Message

READ = (
    "more/exaone4", "more/jamba", "more/mistral_v2v3", "more/mistral_v3_tekken", "more/qwen3_instruct_2507",
    "release/Apertus-8B-Instruct", "release/Bielik-11B-v3.0-Instruct", "release/Cohere2MoE",
    "release/CohereForAI-c4ai-command-r7b-12-2024-tool_use", "release/GigaChat3-10B-A1.8B",
    "release/GigaChat3.1-10B-A1.8B", "release/MiMo-VL", "release/MiniMax-M1",
    "release/Mistral-Small-3.2-24B-Instruct-2506", "release/NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
    "release/NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "release/Qwen-QwQ-32B", "release/Qwen-Qwen2.5-7B-Instruct",
    "release/Qwen-Qwen3-0.6B", "release/Reka-Edge", "release/fireworks-ai-llama-3-firefunction-v2",
    "release/ibm-granite-granite-4.0", "release/ibm-granite-granite-4.1", "release/meetkai-functionary-medium-v3.1",
    "release/meta-llama-Llama-3.1-8B-Instruct", "release/meta-llama-Llama-3.2-3B-Instruct",
    "release/meta-llama-Llama-3.3-70B-Instruct", "release/mistralai-Ministral-3-14B-Reasoning-2512",
    "release/mistralai-Mistral-Nemo-Instruct-2407", "release/unsloth-mistral-Devstral-Small-2507",
    "release/upstage-Solar-Open-100B",
)
REFUSED = {
    "more/chatml": "does not tell the model what a tool has found|does not write",
    "release/Qwen3-Coder": "does not write the arguments of a call as one JSON object",
    "release/GLM-4.6": "does not write the arguments of a call as one JSON object",
    "release/deepseek-ai-DeepSeek-V3.1": "does not tell the model of the tools",
    "release/openai-gpt-oss-120b": "writes more around a call",
    "release/moonshotai-Kimi-K2": "writes two calls of one turn in different ways",
}
QUESTION = Message("user", "Where is my order?")
NAMES = ("find_order", "weather")
HERMES = Way("<tool_call>\n", "\n</tool_call>", "\n</tool_call>\n<tool_call>\n", None, "name", "arguments",
             frozenset({"name", "arguments"}))
BARE = Way("", "", None, None, "name", "parameters", frozenset({"name", "parameters"}))
LETTERS = st.characters(exclude_categories=("Cs", "Co"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(LETTERS, max_size=12) | st.sampled_from(['"', "\\", "</tool_call>", "[TOOL_CALLS]", "{}", "<|im_end|>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=6), inner, max_size=3),
    max_leaves=6)
ARGUMENTS = st.dictionaries(st.text(LETTERS, min_size=1, max_size=8), VALUES, max_size=4)


@pytest.fixture(autouse=True)
def unvetted(monkeypatch):
    monkeypatch.setattr(codec, "vet", lambda *given: None)  # a child process each; the long tier has it


@cache
def made(name: str) -> codec.Codec:
    return templates.subject(name).made


def test_the_templates_whose_calls_are_read_are_these_and_no_other(shared):
    def is_read(name: str) -> bool:
        try:
            return bool(way_of(made(name)))
        except Refusal:
            return False

    assert tuple(name for name in templates.names() if is_read(name)) == READ


@pytest.mark.parametrize("name", REFUSED)
def test_where_calls_cannot_be_read_it_is_said_why(name, shared):
    with pytest.raises(Refusal, match=REFUSED[name]):
        way_of(made(name))


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(READ), each=st.lists(ARGUMENTS, min_size=1, max_size=3), said=st.sampled_from(["", "So."]),
       tools=st.lists(st.sampled_from(NAMES), min_size=3, max_size=3))
def test_what_a_template_writes_is_read_back_as_it_was(shared, name, each, said, tools):
    way = way_of(made(name))
    calls = tuple(Call(tool, arguments, f"call0000{number}")
                  for number, (tool, arguments) in enumerate(zip(tools, each, strict=False)))
    calls = calls if way.middle is not None else calls[:1]
    text = chat.answer([QUESTION, Message("assistant", said, calls=calls)], made(name), templates.TOOLS)
    before, found = way.read(text, NAMES)
    assert [(call.name, call.arguments) for call in found] == [(call.name, call.arguments) for call in calls]
    assert before.strip().endswith(said) or said not in text


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(READ), arguments=ARGUMENTS, cut=st.floats(0, 1, exclude_max=True))
def test_a_call_that_is_cut_short_is_no_call(shared, name, arguments, cut):
    call = Call("find_order", arguments, "call00000")
    text = chat.answer([QUESTION, Message("assistant", "", calls=(call,))], made(name), templates.TOOLS).rstrip()
    part = text[: int(cut * len(text))]
    assert way_of(made(name)).read(part, NAMES) == (part, ())


@pytest.mark.parametrize("text", [
    '<tool_call>\n{"name": "find_order", "arguments": {"customer": "Anna"}\n</tool_call>',
    "<tool_call>\n{'name': 'find_order', 'arguments': {}}\n</tool_call>",
    '<tool_call>\n{"name": "delete_all", "arguments": {}}\n</tool_call>',
    '<tool_call>\n{"name": "find_order"}\n</tool_call>',
    '<tool_call>\n{"name": "find_order", "arguments": {}, "why": "so"}\n</tool_call>',
    '<tool_call>\n{"name": "find_order", "arguments": [1]}\n</tool_call>',
    '<tool_call>\n{"name": "find_order", "arguments": {"count": NaN}}\n</tool_call>',
    '<tool_call>\n{"name": "find_order", "arguments": {"count": 1e999}}\n</tool_call>',
    '<tool_call>\n{"name": "find_order", "arguments": {}}\n</tool_call> and more',
    '<tool_call>\n{"name": "find_order", "arguments": {}}\n</tool_call>\n<tool_call>\n{"name": "x", "arguments": {}}'
    "\n</tool_call>",
    '{"name": "find_order", "arguments": {}}',
    "<tool_call>" + '{"name": ' * 3000,
    "Write <tool_call> and </tool_call> around it.",
])
def test_what_only_looks_like_a_call_stays_a_text(text):
    assert HERMES.read(text, NAMES) == (text, ())


def test_a_mark_that_was_only_spoken_of_does_not_hide_the_call_after_it():
    text = 'I write <tool_call> now.\n<tool_call>{"name": "weather", "arguments": {"place": "Bakı"}}</tool_call>\n'
    assert HERMES.read(text, NAMES) == ("I write <tool_call> now.", (Call("weather", {"place": "Bakı"}),))


def test_a_call_without_marks_is_the_whole_answer_or_none():
    call = '{"name": "weather", "parameters": {"place": "Bakı"}}'
    found = (Call("weather", {"place": "Bakı"}),)
    assert BARE.read(f" {call}\n", NAMES)[1] == BARE.read(f"<think>\nso\n</think>\n\n{call}", NAMES)[1] == found
    for text in (f"So: {call}", f"{call} is JSON", f"```json\n{call}\n```", '{"name": "weather"}'):
        assert BARE.read(text, NAMES) == (text, ())
