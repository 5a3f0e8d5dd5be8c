"""All beginnings of a conversation from one render: never another text than the beginning's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from tunesmith.encoding.templates import sandbox
from tunesmith.encoding.templates.beginnings import Beginnings
from tunesmith.encoding.templates.template import NAMED, Template
from tunesmith.records import Message

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
DATE = datetime(2024, 7, 26)


def talk(system: bool, thinks: bool, rounds: int = 4) -> list[Mapping[str, str]]:
    said = [("system", "Be brief.")] if system else []
    for turn in range(rounds):
        thought = f"<think>\nhm {turn}\n</think>\n\n" if thinks else ""
        said += [("user", f" q{turn} "), ("assistant", f"{thought} a{turn} ")]
    return [{"role": role, "content": content} for role, content in said]


TALKS = [talk(system, thinks) for system in (False, True) for thinks in (False, True)]
ROWS = "{% for m in messages %}{{ m.content }}{% endfor %}"

# Each writes something about a message that depends on what follows it, or something at the end about all of them
AHEAD = (
    "{% for m in messages %}{{ m.content }}{% if loop.last %}!{% endif %}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop.nextitem }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop.length }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop.revindex }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop['revindex0'] }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop|attr('last') }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop|length }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% set l = loop %}{{ l ~ '' }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages|length }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages[-1].content }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ (messages[loop.index] or {}).content }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages == [] }}{{ m in messages }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages|last }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages[1:]|length }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages[:3] }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages|map(attribute='role')|join }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ messages is sequence }}{{ messages.count(m) }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[0].content }}{{ messages|length }}",
    "{% set n = namespace(s='') %}{% for m in messages %}{% set n.s = m.content %}{% endfor %}{{ n.s }}",
    "{% set n = namespace(s=0) %}{% for m in messages %}{% set n.s = n.s + 1 %}{% endfor %}" + ROWS + "{{ n.s }}",
    "{% set n = namespace(s=0) %}{% for m in messages %}{% set n.s = n.s + 1 %}{% endfor %}"
    "{% for m in messages %}{{ n.s }}{{ m.content }}{% endfor %}",
    "{% filter upper %}" + ROWS + "{% endfilter %}",
    "{% set all %}" + ROWS + "{% endset %}{{ all|trim }}",
    "{% macro say(ms) %}{% for m in ms %}{{ m.content }}{% endfor %}{% endmacro %}{{ say(messages)|trim }}",
    "{{ messages|map(attribute='content')|join(' ') }}",
    "{% for m in messages recursive %}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}",
    "{% for m in messages if m.role == 'tool' %}{{ m.content }}{% else %}none{% endfor %}",
    "{% for m in messages|reverse %}{{ m.content }}{% endfor %}",
    "{% for m in messages[::-1] %}{{ m.content }}{% endfor %}",
    "{% for m, n in messages|batch(2) %}{{ m.content }}{% endfor %}",
    "{% set bos_token = messages[0].content %}" + ROWS + "{{ bos_token }}",
    "{% set add_generation_prompt = messages|length > 2 %}" + ROWS + "{{ add_generation_prompt }}",
    "{{ messages[3].content }}" + ROWS,
    "{% if messages[2:] %}more {% endif %}" + ROWS,
    "{% for m in messages %}{% for n in messages %}{{ n.content }}{% endfor %}{% endfor %}",
    "{% for m in [1] %}{% for n in messages %}{{ n.content }}{% endfor %}{{ 1 }}{% endfor %}",
    "{% for m in messages %}{% if messages[0].role != 'user' and loop.index0 == 3 %}{{ raise_exception('no') }}"
    "{% endif %}{{ m.content }}{% endfor %}",
)
# Each writes a message knowing no later one
BEHIND = (
    ROWS + "{% if add_generation_prompt %}{{ eos_token }}ask{% endif %}",
    "{% for m in messages %}{{ loop.index }}{{ m.content }}{{ loop.previtem }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% set rest = messages[1:] %}{% else %}"
    "{% set rest = messages %}{% endif %}{% for m in rest %}{{ m.content }}{% endfor %}end",
    "{% for m in messages %}{{ m.content }}{{ messages[loop.index0 - 1].role if loop.index0 }}{% endfor %}",
    "{% set n = namespace(s=0) %}{% for m in messages %}{% set n.s = n.s + 1 %}{{ n.s }}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{% if add_generation_prompt %}{{ m.role }}{% endif %}{{ m.content }}{% endfor %}",
    "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
    "{% macro say(m) %}{{ m.content|trim }}{% endmacro %}{% for m in messages %}{{ say(m) }}{% endfor %}",
    "{{ strftime_now('%Y') }}" + ROWS,
)


def wrong(source: str) -> tuple[list[tuple[int, bool]], int]:
    """Which claimed beginnings are not what the template writes for them, and how many were claimed."""
    beginnings, plain = Beginnings(source, SPECIAL, DATE), sandbox.Sandbox().from_string(source)
    found, claimed = [], 0
    for messages in TALKS:
        counts = list(range(1, len(messages) + 1))
        texts = beginnings.render(messages, {False: counts, True: counts})
        claimed += len(texts)
        for (count, prompt), text in texts.items():
            try:
                own = sandbox.run(plain, messages[:count], SPECIAL, generation_prompt=prompt, date=DATE)
            except sandbox.RENDER_ERRORS as error:
                own = f"refused: {error}"
            if own != text:
                found.append((count, prompt))
    return found, claimed


@pytest.mark.parametrize("source", AHEAD)
def test_a_template_that_looks_ahead_is_never_told_wrong(source):
    assert wrong(source)[0] == []


@pytest.mark.parametrize("source", [*BEHIND, *NAMED.values()])
def test_a_template_that_does_not_is_rendered_once_for_all_beginnings(source):
    found, claimed = wrong(source)
    assert (found, claimed > len(TALKS)) == ([], True)


def test_no_published_template_is_told_wrong_and_many_are_told(shared):
    told, faults = set(), []
    for path in sorted((shared / "models/chat_templates").glob("*/*.jinja")):
        found, claimed = wrong(path.read_text())
        faults += [(path.name, fault) for fault in found]
        told |= {path.name} if claimed else set()
    assert faults == []
    assert {"SmolLM2-135M-Instruct.jinja", "Qwen-Qwen2.5-7B-Instruct.jinja", "phi3.jinja", "gemma3.jinja",
            "meta-llama-Llama-3.2-3B-Instruct.jinja"} <= told


def test_a_long_conversation_is_rendered_once_and_not_once_a_turn(monkeypatch):
    renders = []
    generate = sandbox.generate
    monkeypatch.setattr(sandbox, "generate", lambda *given, **named: renders.append(1) or generate(*given, **named))
    template = Template(NAMED["chatml"], "chatml", SPECIAL, date=DATE)
    for talked in range(3):
        messages = [Message(("user", "assistant")[turn % 2], f"{talked} {turn}") for turn in range(80)]
        turns = range(1, 80, 2)
        template.foresee(messages, asked=turns, whole=[turn + 1 for turn in turns])
        for turn in turns:
            template.render(messages[:turn], generation_prompt=True)
            template.render(messages[: turn + 1], generation_prompt=False)
    assert len(renders) == 4  # one more, once, for how a prompt ends
