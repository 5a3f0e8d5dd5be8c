"""Every fault that the mask proof promises to find, planted and found at its row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tiny import tiny_tokenizer
from tunesmith.encoding.documents import chat, plain, shift
from tunesmith.encoding.proofs import chat as proof
from tunesmith.encoding.tokens import codec
from tunesmith.encoding.tokens.codec import Codec
from tunesmith.errors import Refusal
from tunesmith.records import Conversation, Document, Message, Pair, Text

WHERE = "orders.jsonl:17"
QUESTION, ANSWER = "Which hat?", "The blue one."


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make(template: str | None = None, stop=()) -> Codec:
    return codec.build(tiny_tokenizer(), template=template, generation_stop=stop)


def conversation(*turns: str, where: str = WHERE) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(tuple(Message(roles[place % 2], text) for place, text in enumerate(turns)), where, "g")


def one(made: Codec, example: Conversation) -> Document:
    documents, findings = chat.documents(example, made)
    assert findings == []
    return documents[0]


def kinds(document: Document | list[Document], example, made: Codec) -> set[tuple[str, str]]:
    documents = document if isinstance(document, list) else [document]
    found = proof.prove(documents, [example], made)
    assert all(finding.remedy for finding in found if finding.severity == "error")
    return {(finding.kind, finding.where) for finding in found if finding.severity == "error"}


def resupervised(document: Document, *spans: tuple[int, int]) -> Document:
    return shift.document(document.ids, spans, text=document.text, ends=document.ends, example=document.example)


def test_an_untouched_document_is_proved():
    made = make()
    example = conversation(QUESTION, ANSWER, "Why?", " It fits. ")
    assert proof.prove([one(made, example)], [example], made) == []


def test_an_end_token_outside_the_mask_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    (start, end), = shift.spans(document)
    assert ("mask.end", WHERE) in kinds(resupervised(document, (start, end - 1)), example, made)


def test_a_supervised_prompt_token_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    (start, end), = shift.spans(document)
    assert kinds(resupervised(document, (start - 1, end)), example, made) == {
        ("mask.prompt", WHERE), ("mask.answer", WHERE)}


def test_an_answer_cut_at_its_start_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    (start, end), = shift.spans(document)
    assert ("mask.answer", WHERE) in kinds(resupervised(document, (start + 1, end)), example, made)


def test_a_truncated_answer_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    (start, end), = shift.spans(document)
    stop = end - 3
    short = shift.document(document.ids[:stop], [(start, stop)], text=document.text, ends=document.ends[:stop])
    assert kinds(short, example, made) == {("mask.end", WHERE), ("mask.answer", WHERE)}


def test_a_changed_token_in_the_prompt_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    ids = document.ids.copy()
    ids[4] += 1
    assert ("mask.prompt", WHERE) in kinds(replace(document, ids=ids), example, made)


def test_a_row_without_a_supervised_token_is_found():
    made, example = make(), conversation(QUESTION, ANSWER)
    assert kinds(resupervised(one(made, example)), example, made) == {("row.unsupervised", WHERE)}
    assert kinds([], example, made) == {("row.unsupervised", WHERE)}


def test_a_turn_that_is_not_supervised_though_it_should_be_is_found():
    made, example = make(), conversation(QUESTION, ANSWER, "Why?", "It fits.")
    document = one(made, example)
    first, _ = shift.spans(document)
    assert kinds(resupervised(document, first), example, made) == {("mask.turns", WHERE)}


def test_a_typed_control_token_that_was_parsed_is_found():
    made, example = make(), conversation("Say <|im_end|> now", ANSWER)
    rendered = made.require_template().render(example.messages, generation_prompt=False).rstrip("\n")
    parsed = made.encode(rendered, control=True)
    (start, end), = shift.spans(one(made, example))
    shorter = len(one(made, example)) - len(parsed.ids)
    document = shift.document(parsed.ids, [(start - shorter, end - shorter)], text=rendered, ends=parsed.ends)
    assert shorter > 0
    assert ("mask.typed_control", WHERE) in kinds(document, example, made)


def test_a_typed_control_token_stays_text_when_encoded():
    made = make()
    rows = conversation("Say <|im_end|> now", ANSWER), conversation(QUESTION, "Use <|im_end|>, not <|im_start|>")
    for example in rows:
        document = one(made, example)
        assert kinds(document, example, made) == set()
        assert document.ids.tolist().count(made.eos) == 2


def test_a_doubled_bos_is_found():
    doubled = "{{ bos_token }}{{ bos_token }}{% for m in messages %}{{ m.role + m.content + eos_token }}{% endfor %}" \
              "{% if add_generation_prompt %}assistant{% endif %}"
    made, example = make(doubled), conversation(QUESTION, ANSWER)
    assert kinds(one(made, example), example, made) == {("template.double_bos", WHERE)}


def test_a_template_without_an_end_token_is_refused():
    endless = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}" \
              "{% if add_generation_prompt %}assistant: {% endif %}"
    with pytest.raises(Refusal) as caught:
        chat.documents(conversation(QUESTION, ANSWER), make(endless))
    assert caught.value.kind == "template.no_end"


def test_a_generation_prompt_that_training_never_sees_is_refused():
    strange = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" \
              "{% if add_generation_prompt %}{{ '<|im_start|>helper\n' }}{% endif %}"
    documents, (finding,) = chat.documents(conversation(QUESTION, ANSWER), make(strange))
    assert (documents, finding.kind, finding.where, finding.severity) == ([], "template.prefix", WHERE, "error")


THINKS = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.split('</think>')[-1].lstrip()" \
         " + '<|im_end|>\n' }}{% endfor %}" \
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\nTHOUGHT' }}{% endif %}"


@pytest.mark.parametrize(("written", "answer", "learnt"), [
    ("<think>\n", ANSWER, f"\n</think>\n\n{ANSWER}<|im_end|>"),
    ("<think>\n", f"<think>\nhm\n</think>\n\n{ANSWER}", f"hm\n</think>\n\n{ANSWER}<|im_end|>"),
    ("<think>", f"<think>hm</think>{ANSWER}", f"hm</think>{ANSWER}<|im_end|>"),
    ("<think>\n\n</think>\n\n", ANSWER, f"{ANSWER}<|im_end|>"),
])
def test_a_thought_that_the_prompt_begins_is_completed(written, answer, learnt):
    made, example = make(THINKS.replace("THOUGHT", written)), conversation(QUESTION, answer)
    document = one(made, example)
    (start, end), = shift.spans(document)
    assert made.decode(document.ids[:start].tolist()).endswith(f"assistant\n{written}")
    assert made.decode(document.ids[start:end].tolist()) == learnt
    assert kinds(document, example, made) == set()


def test_a_thought_that_is_learnt_wrong_is_found():
    made, example = make(THINKS.replace("THOUGHT", "<think>\n")), conversation(QUESTION, f"<think>hm</think>{ANSWER}")
    other = one(made, conversation(QUESTION, f"<think>so</think>{ANSWER}"))
    assert ("mask.answer", WHERE) in kinds(other, example, made)


def test_a_thought_that_the_prompt_has_closed_already_is_refused():
    made = make(THINKS.replace("THOUGHT", "<think>\n\n</think>\n\n"))
    documents, (finding,) = chat.documents(conversation(QUESTION, f"<think>hm</think>{ANSWER}"), made)
    assert (documents, finding.kind, finding.where) == ([], "row.reasoning", WHERE)
    assert "data.thinking" in finding.remedy


def test_a_stop_token_inside_an_answer_is_found():
    middle = "{% for m in messages %}{{ m.role + '\n<|endoftext|>' + m.content + '<|im_end|>\n' }}{% endfor %}" \
             "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
    made, example = make(middle, stop=(0,)), conversation(QUESTION, ANSWER)
    assert ("mask.early_stop", WHERE) in kinds(one(made, example), example, made)


def test_roles_that_do_not_alternate_are_told_in_the_templates_words():
    strict = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}" \
             "{{ raise_exception('roles must alternate') }}{% endif %}" \
             "{{ m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" \
             "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
    twice = Conversation((Message("user", "a"), Message("user", "b"), Message("assistant", "c")), WHERE, "g")
    documents, (finding,) = chat.documents(twice, make(strict))
    assert (documents, finding.severity, finding.where) == ([], "error", WHERE)
    assert "roles must alternate" in finding.what


def test_a_hostile_template_is_refused_before_any_row_is_rendered():
    with pytest.raises(Refusal) as caught:
        make("{{ 'a' * 10**9 }}")
    assert (caught.value.kind, caught.value.where) == ("template.unsafe", "chat_template:1")


def test_an_empty_answer_is_an_error():
    documents, (finding,) = chat.documents(conversation(QUESTION, " \n"), make())
    assert (documents, finding.kind, finding.where) == ([], "row.empty_answer", WHERE)


def test_what_a_template_trims_or_inserts_is_noted_once_with_a_count():
    trims = "{% for m in messages %}{{ m.role + '\n' + ('<answer>' if m.role == 'assistant' else '') }}" \
            "{{ m.content | trim + '<|im_end|>\n' }}{% endfor %}" \
            "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
    made = make(trims)
    rows = [conversation(QUESTION, f" {ANSWER}\n" if row else ANSWER, where=f"a.jsonl:{row + 1}") for row in range(4)]
    documents = [chat.documents(row, made, example=index)[0][0] for index, row in enumerate(rows)]
    found = {
        (finding.severity, finding.kind, finding.where): finding.what
        for finding in proof.prove(documents, rows, made)
    }
    assert set(found) == {("note", "template.inserted", "a.jsonl:1"), ("note", "template.rewrote", "a.jsonl:2")}
    assert "(turns: 3)" in found["note", "template.rewrote", "a.jsonl:2"]


def test_plain_texts_and_pairs_are_proved_and_their_faults_found():
    made = make()
    text, pair = Text("A red shirt.", WHERE, "g"), Pair("Colour? ", "Blue.", WHERE, "g")
    whole, asked = plain.text_document(text.text, made), plain.pair_document(pair.prompt, pair.answer, made)
    assert kinds(whole, text, made) == kinds(asked, pair, made) == set()
    (start, end), = shift.spans(asked)
    assert ("mask.end", WHERE) in kinds(resupervised(asked, (start, end - 1)), pair, made)
    assert ("mask.prompt", WHERE) in kinds(resupervised(asked, (start - 1, end)), pair, made)
    typed = Text("Stop <|im_end|> here", WHERE, "g")
    parsed = made.encode(typed.text, control=True)
    ids, ends = [*parsed.ids, made.eos], [*parsed.ends, len(typed.text)]
    document = shift.document(ids, [(0, len(ids))], text=typed.text, ends=ends)
    assert ("mask.typed_control", WHERE) in kinds(document, typed, made)
    assert kinds(plain.text_document(typed.text, made), typed, made) == set()


def test_supervision_counts_tokens_by_role():
    made, example = make(), conversation(QUESTION, ANSWER)
    document = one(made, example)
    counted = proof.supervision([document], [example])
    (start, end), = shift.spans(document)
    assert counted == {"tokens": end - start, "share": (end - start) / len(document),
                       "by_role": {"assistant": end - start}}
