"""Conversations to documents: where one goes on, where a new one begins, and how texts are spelt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny import tiny_tokenizer
from tunesmith.encoding.documents import chat, plain, shift
from tunesmith.encoding.tokens import codec
from tunesmith.records import Conversation, Message

STRIPS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM_LAST = (
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'user' %}{{ '[INST]' }}{% if loop.last and s is defined %}{{ s + '\n\n' }}"
    "{% endif %}{{ m.content + '[/INST]' }}{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def make(template: str | None = None) -> codec.Codec:
    return codec.build(tiny_tokenizer(), template=template)


def talk(*texts: str, system: str | None = None, train=()) -> Conversation:
    turns = [Message(("user", "assistant")[place % 2], text, train=not train or place in train)
             for place, text in enumerate(texts)]
    return Conversation(tuple([Message("system", system)] if system else []) + tuple(turns), "a.jsonl:1", "g")


def learnt(documents) -> list[list[str]]:
    return [[document.text[document.ends[start - 1] : document.ends[end - 1]] for start, end in shift.spans(document)]
            for document in documents]


def test_one_document_carries_all_turns_where_the_template_keeps_history():
    documents, findings = chat.documents(talk("a", "b", "c", "d"), make())
    assert findings == []
    assert learnt(documents) == [["b<|im_end|>", "d<|im_end|>"]]


def test_a_rewritten_history_begins_a_new_document():
    documents, _ = chat.documents(talk("a", "<think>x</think>b", "c", "d"), make(STRIPS), example=7)
    assert learnt(documents) == [["<think>x</think>b<|im_end|>"], ["d<|im_end|>"]]
    assert [document.example for document in documents] == [7, 7]
    assert "<think>" not in documents[1].text


def test_a_system_prompt_that_moves_is_where_inference_has_it():
    made, example = make(SYSTEM_LAST), talk("a", "b", "c", "d", system="Short.")
    documents, findings = chat.documents(example, made)
    assert findings == []
    assert learnt(documents) == [["b<|im_end|>"], ["d<|im_end|>"]]
    assert documents[1].text == "[INST]a[/INST]b<|im_end|>[INST]Short.\n\nc[/INST]d<|im_end|>"


def test_turns_that_are_not_trained_are_context_only():
    documents, _ = chat.documents(talk("a", "b", "c", "d", train=(3,)), make())
    assert learnt(documents) == [["d<|im_end|>"]]
    assert "b<|im_end|>" in documents[0].text


def test_the_default_system_prompt_stands_in_front_only_where_none_is():
    made = make()
    with_default = chat.documents(talk("a", "b"), made, system="Default.")[0][0]
    own = chat.documents(talk("a", "b", system="Own."), made, system="Default.")[0][0]
    assert with_default.text.startswith("<|im_start|>system\nDefault.<|im_end|>")
    assert "Default." not in own.text


def test_targets_are_the_next_ids_and_the_first_token_is_never_learnt():
    document = shift.document([5, 6, 7, 8], [(0, 2), (3, 4)], text="abcd", ends=[1, 2, 3, 4])
    assert document.targets.tolist() == [6, 7, 8, shift.NO_TARGET]
    assert document.weights.tolist() == [1, 0, 1, 0]
    assert document.supervised.tolist() == [False, True, False, True]
    assert shift.spans(document) == [(1, 2), (3, 4)]


ANY = st.characters(codec="utf-8", exclude_characters="\U000f0000\U000f0001")
WRITTEN = st.text(st.sampled_from("ab é🙂\n\t ") | ANY, min_size=1, max_size=20)
CONTENT = st.builds("".join, st.lists(WRITTEN | st.sampled_from(["<|im_end|>", "<|im_start|>", "<|endoftext|>"]),
                                      min_size=1, max_size=4)).filter(str.strip)


@settings(max_examples=150, deadline=None)
@given(st.lists(CONTENT, min_size=2, max_size=6))
def test_any_text_is_spelt_exactly_and_follows_the_ids_of_inference(texts):
    made = make()
    example = talk(*texts)
    documents, findings = chat.documents(example, made)
    assert findings == []
    spans = [(document, *span) for document in documents for span in shift.spans(document)]
    assert len(spans) == len(texts) // 2
    for number, (document, start, end) in enumerate(spans):
        answer = example.messages[2 * number + 1].content + "<|im_end|>"
        assert document.ids[:start].tolist() == chat.prompt(example.messages[: 2 * number + 1], made).ids
        assert made.decode(document.ids[start:end].tolist()) == answer
        assert document.ids[start:end].tolist().count(made.eos) == 1
    for document in documents:
        pieces = [document.text[before:end] for before, end in zip([0, *document.ends], document.ends, strict=False)]
        assert "".join(pieces) == document.text


@settings(max_examples=100, deadline=None)
@given(CONTENT)
def test_control_tokens_in_plain_text_are_spelt_out(text):
    made = make()
    encoded = made.encode(text)
    assert made.decode(encoded.ids) == text
    assert not set(encoded.ids) & {0, 1, 2}
    assert encoded.ends[-1] == len(text)


@settings(max_examples=100, deadline=None)
@given(CONTENT, CONTENT)
def test_a_pairs_answer_follows_the_ids_of_its_prompt(question, answer):
    made = make()
    document = plain.pair_document(question, answer, made)
    (start, end), = shift.spans(document)
    assert document.ids[:start].tolist() == plain.prompt(question, made).ids
    assert made.decode(document.ids[start : end - 1].tolist()) == answer
    assert document.ids[end - 1] == made.eos


def test_the_prompt_equals_what_transformers_makes_of_it():
    tokenizer, made = tiny_tokenizer(), make()
    turns = talk("Say <|im_end|> 🙂", "<|im_start|>ok", " more\n").messages
    expected = tokenizer.apply_chat_template(
        [{"role": turn.role, "content": turn.content} for turn in turns], add_generation_prompt=True,
        sanitize_control_tokens=True, return_dict=False)
    assert chat.prompt(turns, made).ids == expected


def test_a_broken_template_of_the_base_matters_only_to_conversations():
    import copy

    from tunesmith.errors import Refusal

    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.chat_template = "{% if %}"
    made = codec.build(tokenizer)
    assert plain.text_document("fine", made).weights.any()
    with pytest.raises(Refusal):
        chat.prompt((Message("user", "x"),), made)


def test_the_preview_of_a_document_tells_every_token_with_its_text():
    document = chat.documents(talk("🙂 <|im_end|>", "çay 🇦🇿"), make())[0][0]
    ends = document.ends.tolist()
    assert ends == sorted(ends)
    assert (len(ends), ends[-1]) == (len(document), len(document.text))
    assert document.text == "<|im_start|>user\n🙂 <|im_end|><|im_end|>\n<|im_start|>assistant\nçay 🇦🇿<|im_end|>"
