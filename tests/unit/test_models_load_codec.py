"""What `data.tools`, `data.thinking` and `data.turns` do to prompts and to rows."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tiny import tiny_base
from tunesmith.data.turns import last_only
from tunesmith.encoding.documents import chat
from tunesmith.encoding.templates.thinking import without_thoughts
from tunesmith.errors import Misuse, Refusal
from tunesmith.models import bases, load
from tunesmith.records import Call, Conversation, Message

DATE = datetime(2026, 7, 26)
TEMPLATE = (
    "{% for tool in tools or [] %}<{{ tool.function.name }}>{% endfor %}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
ASKED = (Message("user", "Hi"),)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def base(tmp_path):
    (tmp_path / "own.jinja").write_text(TEMPLATE)
    return bases.find(str(tiny_base(tmp_path / "base")))


def asked(made, **given) -> str:
    return made.decode(chat.prompt(ASKED, made, **given).ids)


def test_tools_of_a_file_are_offered_where_a_conversation_brings_none(base, tmp_path):
    (tmp_path / "tools.json").write_text(json.dumps([{"name": "weather", "parameters": {}}]))
    made = load.codec(base, str(tmp_path / "own.jinja"), DATE, tools=str(tmp_path / "tools.json"))
    plain = load.codec(base, str(tmp_path / "own.jinja"), DATE)
    assert asked(made).startswith("<weather>") and not asked(plain).startswith("<weather>")
    own = ({"type": "function", "function": {"name": "clock"}},)
    assert asked(made, tools=own).startswith("<clock>")
    assert made.digests()["template"] != plain.digests()["template"]


def test_a_file_that_defines_no_tools_is_named(base, tmp_path):
    (tmp_path / "tools.json").write_text('[{"title": "x"}]')
    with pytest.raises(Refusal) as caught:
        load.codec(base, "chatml", DATE, tools=str(tmp_path / "tools.json"))
    assert str(tmp_path / "tools.json") in caught.value.where
    with pytest.raises(Misuse):
        load.codec(base, "chatml", DATE, tools=str(tmp_path / "missing.json"))


@pytest.mark.parametrize(("thinking", "end"), [
    ("template", "assistant\n"), ("think", "assistant\n"), ("no_think", "<think>\n\n</think>\n\n")])
def test_a_template_is_told_whether_the_model_thinks(base, tmp_path, thinking, end):
    made = load.codec(base, str(tmp_path / "own.jinja"), DATE, thinking=thinking)
    assert asked(made).endswith(end)
    example = without_thoughts(Conversation((*ASKED, Message("assistant", "<think>hm</think>\n\nYes.")), "a:1", "g"))
    documents, findings = chat.documents(example, made)
    assert (findings, documents[0].text.endswith(f"{end}Yes.<|im_end|>")) == ([], True)


def test_thoughts_are_taken_out_and_nothing_else():
    call = (Call("weather", {}),)
    turns = (Message("user", "<think>q</think>"), Message("assistant", "", reasoning="hm", calls=call),
             Message("assistant", " a "))
    assert without_thoughts(Conversation(turns, "a:1", "g")).messages == (
        turns[0], Message("assistant", "", calls=call), turns[2])


def test_only_the_last_trained_turn_is_learnt():
    turns = [Message(("user", "assistant")[turn % 2], str(turn), train=turn != 5) for turn in range(6)]
    assert [turn.train for turn in last_only(Conversation(tuple(turns), "a:1", "g")).messages] == [
        True, False, True, True, True, False]
