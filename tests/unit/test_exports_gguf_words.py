"""The tokenizer, the template and Ollama's Modelfile of a GGUF export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from leaving import base_of, source_of
from tiny import CHATML, tiny_tokenizer
from tunesmith.errors import Misuse
from tunesmith.exports import _gguf_opened, _gguf_words, _ollama, gguf
from tunesmith.records import Message

pytest.importorskip("gguf")
TALK = [Message("user", "How many hats?"), Message("assistant", "Two.\nOr three."), Message("user", "And shirts?")]
SYSTEM = Message("system", "You sell hats.")
# Llama 2's tokenizer as llama.cpp was given it, and what llama.cpp must make of 46 texts
SPM = {"ggml-vocab-llama-spm": "Llama", "ggml-vocab-phi-3": "Phi-3"}


@pytest.mark.parametrize("vocabulary", SPM)
def test_a_tokenizer_of_sentencepiece_is_written_as_llama_cpp_was_given_it(vocabulary, shared, tmp_path):
    from gguf import GGUFReader
    from transformers import AutoTokenizer

    folder = shared / "models" / "vocab_gguf"
    given = GGUFReader(folder / f"{vocabulary}.gguf").fields
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=f"{vocabulary}.gguf")
    tokenizer.chat_template = CHATML
    source = source_of(base_of(SPM[vocabulary], tmp_path / "base", tokenizer=tokenizer, vocab_size=len(tokenizer),
                               hidden_size=32, num_hidden_layers=1))
    words = _gguf_words.read(source, len(tokenizer))
    tokens = given["tokenizer.ggml.tokens"].contents()
    types = given["tokenizer.ggml.token_type"].contents()
    assert words.kind == "llama" and words.tokens == tokens
    # converters differ in whether `<unk>` is unknown or a control token; it is never looked for in a text
    assert [kind in (3, 4) for kind in words.types[1:]] == [kind in (3, 4) for kind in types[1:]]
    assert [kind == 6 for kind in words.types] == [kind == 6 for kind in types]
    if not _gguf_opened.has_llama_cpp():
        pytest.skip("llama.cpp (xllamacpp) is not installed")
    (tmp_path / "out").mkdir()
    gguf.write(gguf.meant(source, gguf.Settings()), source, tmp_path / "out", gguf.Settings())
    opened = _gguf_opened.open_file(tmp_path / "out", 512)
    asked = (folder / f"{vocabulary}.gguf.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    answers = (folder / f"{vocabulary}.gguf.out").read_text(encoding="utf-8").splitlines()
    pairs = [(text, [int(index) for index in line.split()]) for text, line in zip(asked, answers, strict=False)]
    assert len(pairs) > 40
    assert [(text, list(opened.encode(text))) for text, _ in pairs] == pairs


@pytest.mark.parametrize("cut", ["gpt-2", "qwen2", "llama-bpe", "dbrx", "smollm"])
def test_a_cut_that_llama_cpp_knows_is_found_by_its_pattern(cut, tmp_path):
    from tokenizers import Regex, pre_tokenizers

    from tunesmith.exports import _gguf_pre

    words = tiny_tokenizer.__wrapped__()  # its own copy: the cached one is everybody's
    pattern = {"qwen2": _gguf_pre.QWEN2}.get(cut, _gguf_pre.LLAMA3)
    split = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    steps = {"gpt-2": [pre_tokenizers.ByteLevel(False)],
             "smollm": [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)]}.get(cut, split)
    words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    state = json.loads(words.backend_tokenizer.to_str())
    state["model"]["ignore_merges"] = cut == "llama-bpe"
    assert _gguf_pre.name(words, state, own=True) == cut


def test_a_cut_without_a_name_is_refused(tmp_path):
    from tokenizers import Regex, pre_tokenizers

    from tunesmith.exports import _gguf_pre

    words = tiny_tokenizer.__wrapped__()
    words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("[aeiou]"), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    with pytest.raises(Misuse, match=r"llama\.cpp has no name"):
        _gguf_pre.name(words, json.loads(words.backend_tokenizer.to_str()), own=True)


def in_go(template: str, system: str | None, messages: list[Message]) -> str:
    """What Go's engine makes of the few words that the Modelfile uses."""
    parts = [part for part in re.split(r"(\{\{.*?\}\}(?!\}))", template) if part]
    assert all(part.startswith("{{") for part in parts)
    actions = [part[2:-2].strip() for part in parts]

    def walk(place: int, scope: dict[str, Any], write: bool) -> tuple[str, int]:
        text = ""
        while place < len(actions):
            action = actions[place]
            if action == "end" or action.startswith("else"):
                return text, place
            if action.startswith('"'):
                text += json.loads(action) if write else ""
            elif action == ".System":
                text += (system or "") if write else ""
            elif action == ".Content":
                text += scope["content"] if write else ""
            elif action.startswith("range"):
                for number, message in enumerate(messages):
                    inner = {"role": message.role, "content": message.content,
                             "last": number == len(messages) - 1}
                    said, ended = walk(place + 1, inner, write)
                    text += said
                place = ended
            elif action.startswith("if"):
                taken, condition = False, action.removeprefix("if ")
                while True:
                    holds = not taken and truth(condition, scope)
                    said, place = walk(place + 1, scope, write and holds)
                    text += said
                    taken = taken or holds
                    if actions[place] == "end":
                        break
                    condition = actions[place].removeprefix("else").strip().removeprefix("if").strip()
            else:
                raise AssertionError(action)
            place += 1
        return text, place

    def truth(condition: str, scope: dict[str, Any]) -> bool:
        if condition == "":
            return True
        if condition == ".System":
            return bool(system)
        role = re.search(r'eq \.Role "(\w+)"', condition)
        return role is not None and scope["role"] == role[1] and ("slice" not in condition or scope["last"])

    return walk(0, {}, True)[0]


TEMPLATES = ["more/chatml", "more/SmolLM2-135M-Instruct", "more/zephyr", "more/phi3", "more/llama3",
             "release/google-gemma-2-2b-it"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_ollamas_template_writes_what_the_proved_one_writes(name, shared, tmp_path):
    file = shared / "models" / "chat_templates" / f"{name}.jinja"
    source = source_of(base_of("Llama", tmp_path / "base"), template=str(file))
    found = _ollama.read(source, None, adds_bos=False)
    assert found is not None
    for messages in (TALK[:1], TALK, TALK[:2] + TALK):
        theirs = in_go(found.in_go(), found.usual, messages)
        assert theirs == source.codec.template.render(messages, generation_prompt=True)
        if found.system:
            theirs = in_go(found.in_go(), SYSTEM.content, messages)
            assert theirs == source.codec.template.render([SYSTEM, *messages], generation_prompt=True)


def test_the_system_message_that_a_template_writes_by_itself_stands_in_the_modelfile(shared, tmp_path):
    file = shared / "models" / "chat_templates" / "more" / "SmolLM2-135M-Instruct.jinja"
    source = source_of(base_of("Llama", tmp_path / "base"), template=str(file))
    lines = modelfile(source, gguf.Settings())
    assert 'SYSTEM """You are a helpful AI assistant named SmolLM, trained by Hugging Face"""' in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines and "PARAMETER temperature 0" in lines
    assert 'SYSTEM """You sell hats."""' in modelfile(source, gguf.Settings(system="You sell hats."))


def modelfile(source: Any, settings: gguf.Settings) -> list[str]:
    found = _ollama.read(source, settings.system, adds_bos=False)
    return list(_ollama.lines("hats.gguf", source, found, settings))


@pytest.mark.parametrize("name", ["release/Qwen-Qwen3-0.6B", "release/meta-llama-Llama-3.1-8B-Instruct"])
def test_a_template_that_does_more_is_left_out_and_the_modelfile_says_so(name, shared, tmp_path):
    file = shared / "models" / "chat_templates" / f"{name}.jinja"
    source = source_of(base_of("Llama", tmp_path / "base"), template=str(file))
    lines = modelfile(source, gguf.Settings())
    if any(line.startswith("TEMPLATE") for line in lines):
        found = _ollama.read(source, None, adds_bos=False)
        assert found is not None and found.render(TALK) == source.codec.template.render(TALK, generation_prompt=True)
    else:
        assert any("does more than put words around turns" in line for line in lines)


def test_a_system_message_that_a_template_has_no_place_for_is_refused(shared, tmp_path):
    file = shared / "models" / "chat_templates" / "release" / "google-gemma-2-2b-it.jinja"
    source = source_of(base_of("Llama", tmp_path / "base"), template=str(file))
    with pytest.raises(Misuse, match="no place for a system message"):
        gguf.refuse(source, gguf.Settings(system="You sell hats."))


def test_a_base_without_bos_tokens_in_its_template_is_given_none(tmp_path):
    words = _gguf_words.read(source_of(base_of("Llama", tmp_path / "base")), 320)
    assert words.flags == {"add_bos_token": False, "add_eos_token": False}
    assert words.ids == {"bos": 1, "eos": 2, "unknown": 0, "padding": 2} and words.template == CHATML


def test_the_file_is_named_by_its_type_in_the_modelfile(tmp_path):
    source = source_of(base_of("Llama", tmp_path / "base"))
    (tmp_path / "out").mkdir()
    gguf.write(gguf.meant(source, gguf.Settings(type="q5_0")), source, tmp_path / "out", gguf.Settings(type="q5_0"))
    assert "FROM ./hats-q5_0.gguf" in Path(tmp_path / "out" / "Modelfile").read_text().splitlines()
