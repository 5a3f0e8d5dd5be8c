"""Chat templates: equal to transformers' rendering, and bounded in what they can do."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from hostile_templates import ESCAPES, EXHAUSTIONS
from tunesmith.encoding.templates import sandbox
from tunesmith.encoding.templates import template as templates
from tunesmith.encoding.templates.template import Template, vet
from tunesmith.errors import Misuse, Refusal
from tunesmith.records import Call, Message

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
USER, ANSWER = Message("user", " Hi <b> & \n"), Message("assistant", " <think>\nhm\n</think>\n\nGood day ")
CONVERSATIONS = (
    (USER,),
    (USER, ANSWER),
    (USER, ANSWER, Message("user", "More?"), Message("assistant", "Çay")),
    (Message("system", " Be brief. "), USER, ANSWER, Message("user", "More?")),
    (USER, USER),
)


def outcome(render) -> str:
    try:
        return render()
    except Refusal as refusal:
        return f"refused: {refusal.what}"


def reference(source: str, messages, generation_prompt: bool) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    chat = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return render_jinja_template(
            [chat], chat_template=source, add_generation_prompt=generation_prompt, **SPECIAL)[0][0]
    except Exception as error:  # noqa: BLE001 - whatever transformers raises is what it says
        return f"refused: {error}"


def test_every_published_template_renders_as_transformers_renders_it(shared):
    found = sorted((shared / "models/chat_templates").glob("*/*.jinja"))
    assert len(found) == 98
    different = []
    for path in found:
        source = path.read_text()
        template = Template(source, path.name, SPECIAL)
        for messages in CONVERSATIONS:
            for generation_prompt in (True, False):
                ours = outcome(lambda: template.render(messages, generation_prompt=generation_prompt))  # noqa: B023
                if ours != reference(source, messages, generation_prompt):
                    different.append((path.name, len(messages), generation_prompt))
    assert different == []


def test_generation_blocks_loop_controls_and_unescaped_json_work():
    source = ("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
              "{% generation %}{{ m.content | tojson }}{% endgeneration %}{% endfor %}")
    messages = (Message("user", "a<b>é"), Message("user", "c"))
    assert Template(source, "t", {}).render(messages, generation_prompt=False) == '"a<b>é"'


def test_a_pinned_date_is_what_the_template_is_told():
    template = Template("{{ strftime_now('%d %b %Y') }}", "t", {}, date=datetime(2024, 7, 26))
    assert template.render((USER,), generation_prompt=True) == "26 Jul 2024"


@pytest.mark.fault("hostile templates")
@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_shows_nothing_of_python(source):
    text = outcome(lambda: Template(source, "hostile", SPECIAL).render((USER, ANSWER), generation_prompt=True))
    assert text.startswith("refused: ") or text.strip() in ("", "None", "[]", "[Undefined]"), text


@pytest.mark.fault("hostile templates")
@pytest.mark.parametrize("source", EXHAUSTIONS)
def test_exhausting_work_is_refused_with_the_line(source):
    template = Template("first line\n" + source, "hostile.jinja", SPECIAL)
    with pytest.raises(Refusal) as caught:
        template.render((USER, ANSWER), generation_prompt=True)
    assert caught.value.where == "hostile.jinja:2"
    assert caught.value.kind in ("template.unsafe", "template.refused")  # Jinja itself refuses a range without end


def test_long_rows_of_an_honest_template_are_not_taken_for_exhaustion():
    messages = tuple(Message(("user", "assistant")[turn % 2], "word " * 20_000) for turn in range(40))
    text = Template(templates.named("chatml"), "chatml", {}).render(messages, generation_prompt=True)
    assert len(text) > 4_000_000


def test_a_templates_own_complaint_is_told_in_its_words_with_its_line():
    source = "\n{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    with pytest.raises(Refusal) as caught:
        Template(source, "gemma.jinja", {}).render((Message("system", "x"),), generation_prompt=False)
    assert (caught.value.what, caught.value.where) == ("System role not supported", "gemma.jinja:2")
    assert caught.value.kind == "template.refused"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(("source", "kind", "line"), [
    ("a\n{% if %}", "template.syntax", 2),
    ("a\nb{{ 'a' * 10**9 }}", "template.unsafe", 2),
    ("{{ ''.__class__.__mro__ }}", "template.unsafe", 1),
    ("{% for x in helpers.all %}{% endfor %}", "template.broken", 1),
])
def test_vetting_refuses_a_bad_template_and_names_its_line(cache, source, kind, line):
    for _ in range(2):  # the second answer comes from the cache
        with pytest.raises(Refusal) as caught:
            vet(source, "own.jinja")
        assert (caught.value.kind, caught.value.where) == (kind, f"own.jinja:{line}")
    assert len(list(cache.rglob("*.json"))) == 1


def test_vetting_stops_what_only_the_system_can_stop(cache, monkeypatch):
    monkeypatch.setattr(templates, "CPU_SECONDS", 1)
    slow = "{% for a in range(3000) %}{% set x = (range(4000)|list|string)|wordwrap(1) %}{% endfor %}"
    with pytest.raises(Refusal) as caught:
        vet(slow, "slow.jinja")
    assert caught.value.kind == "template.unsafe"


def test_vetting_runs_once_for_each_source(cache, monkeypatch):
    tried, plain = [], templates._try
    monkeypatch.setattr(templates, "_try", lambda *asked: tried.append(asked) or plain(*asked))
    for name in ("chatml", "chatml"):
        vet(templates.named(name))
    assert len(tried) == 1


def test_a_damaged_cache_is_made_again(cache):
    vet(templates.named("chatml"))
    kept, = cache.rglob("*.json")
    kept.write_text("{")
    vet(templates.named("chatml"))
    assert json.loads(kept.read_text())["kind"] == ""


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "file"))
    vet(templates.named("chatml"))
    assert (tmp_path / "file").read_text() == ""
    with pytest.raises(Refusal):
        vet("{{ 'a' * 10 ** 9 }}")


def test_the_child_that_vets_loads_neither_torch_nor_this_package():
    asked = json.dumps({"source": "x", "special": {}, "cpu_seconds": 5, "memory_bytes": 1 << 30})
    code = (f"import sys; sys.path.append(sys.argv[1]); import runpy, io; sys.stdin = io.StringIO({asked!r})\n"
            "runpy.run_path(sys.argv[2], run_name='__main__')\n"
            "print(sorted({'torch', 'transformers', 'tunesmith', 'numpy'} & set(sys.modules)))")
    import subprocess
    import sys
    from pathlib import Path

    import jinja2

    home = str(Path(jinja2.__file__).parents[1])
    answer = subprocess.run([sys.executable, "-I", "-c", code, home, sandbox.__file__], capture_output=True, text=True,
                            check=True)
    assert answer.stdout.endswith("[]\n")


def test_an_unknown_template_name_is_a_misuse():
    with pytest.raises(Misuse):
        templates.named("chatlm")


def test_the_shipped_template_with_tools_writes_calls_and_results_as_the_hermes_parser_reads_them():
    call = Call("stock", {"item": "lamp"}, "c1")
    messages = [Message("system", "Be brief."), Message("user", "In stock?"), Message("assistant", "", calls=(call,)),
                Message("tool", '{"left": 3}', name="stock", call="c1"), Message("assistant", "Three.")]
    template = Template(templates.named("chatml-tools"), "chatml-tools", {})
    tool = {"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}}
    text = template.render(messages, generation_prompt=False, tools=[tool])
    assert text.startswith("<|im_start|>system\nBe brief.\n\nThese tools can be called:\n<tools>\n" + json.dumps(tool))
    assert text.count("<|im_start|>system") == 1
    assert '<tool_call>\n{"name": "stock", "arguments": {"item": "lamp"}}\n</tool_call><|im_end|>\n' in text
    assert text.endswith('<|im_start|>tool\n<tool_response>\n{"left": 3}\n</tool_response><|im_end|>\n'
                         "<|im_start|>assistant\nThree.<|im_end|>\n")
    plain = [Message("user", "Hi"), Message("assistant", "Hello")]
    for prompt in (False, True):
        assert template.render(plain, generation_prompt=prompt) == Template(
            templates.named("chatml"), "chatml", {}).render(plain, generation_prompt=prompt)
