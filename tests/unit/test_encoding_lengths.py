"""Rows that are too long: refused, cut, dropped or split, and counted."""

from __future__ import annotations

import pytest

from tiny import tiny_tokenizer
from tunesmith.encoding.documents import chat, plain, shift
from tunesmith.encoding.documents.lengths import fit
from tunesmith.encoding.tokens import codec
from tunesmith.records import Conversation, Message, Pair, Text


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def made() -> codec.Codec:
    return codec.build(tiny_tokenizer())


def talk(row: int, *texts: str, system: str | None = None) -> Conversation:
    turns = tuple(Message(("user", "assistant")[place % 2], text) for place, text in enumerate(texts))
    return Conversation(((Message("system", system),) if system else ()) + turns, f"a.jsonl:{row}", "g")


def encoded(examples, made):
    return [document for index, example in enumerate(examples)
            for document in chat.documents(example, made, example=index)[0]]


ROWS = (talk(1, "a", "b"), talk(2, "q" * 40, "answer " * 30), talk(3, "q" * 400, "short"), talk(4, "c", "d"))


def test_rows_that_fit_are_left_alone(made):
    documents = encoded(ROWS[::3], made)
    assert fit(documents, ROWS[::3], made, max_length=40, too_long="refuse") == (documents, [])


def test_refusing_names_the_counts_the_longest_row_and_each_row(made):
    documents = encoded(ROWS, made)
    kept, (summary, *each) = fit(documents, ROWS, made, max_length=60, too_long="refuse")
    assert {document.example for document in kept} == {0, 3}
    assert (summary.severity, summary.where) == ("error", "a.jsonl:3")
    assert "2 of 4 rows" in summary.what
    assert str(len(documents[2])) in summary.remedy
    assert [finding.where for finding in each] == ["a.jsonl:2", "a.jsonl:3"]


def test_cutting_drops_rows_whose_answer_is_gone_and_counts_tokens(made):
    documents = encoded(ROWS, made)
    kept, (summary, *each) = fit(documents, ROWS, made, max_length=60, too_long="cut")
    assert {document.example for document in kept} == {0, 1, 3}
    assert max(map(len, kept)) == 60
    assert all(document.weights.any() and document.weights[-1] == 0 for document in kept)
    lost = len(documents[1]) - 60 + len(documents[2])
    assert summary.severity == "warning"
    assert f"{lost} tokens are cut off, and 1 rows lose all answers" in summary.what
    assert ["dropped" in finding.what for finding in each] == [False, True]


def test_dropping_is_counted(made):
    kept, (summary, *_) = fit(encoded(ROWS, made), ROWS, made, max_length=60, too_long="drop")
    assert {document.example for document in kept} == {0, 3}
    assert "2 of 4 rows" in summary.what


def test_a_text_is_split_so_that_each_token_is_learnt_once(made):
    example = Text("The order of two red shirts goes to Anna in Baku. " * 5, "t.txt:1", "g")
    whole = plain.text_document(example.text, made)
    windows, (summary,) = fit([whole], [example], made, max_length=16, too_long="split")
    assert summary.severity == "warning"
    assert max(map(len, windows)) <= 16
    learnt = [int(target) for window in windows for target in window.targets[window.weights > 0]]
    assert learnt == whole.targets[whole.weights > 0].tolist()
    for window in windows:
        assert window.text.startswith(made.decode(window.ids[:1].tolist()))
        assert window.ends[-1] == len(window.text)


def test_a_conversation_is_split_between_turns_with_its_system_prompt_in_each_window(made):
    texts = [f"{'question' if turn % 2 == 0 else 'answer'} number {turn}" for turn in range(20)]
    example = talk(1, *texts, system="Be kind.")
    windows, (summary,) = fit(encoded([example], made), [example], made, max_length=150, too_long="split")
    assert (summary.severity, len(windows) > 1) == ("warning", True)
    assert max(map(len, windows)) <= 150
    assert all(window.text.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user") for window in windows)
    answers = [window.text[window.ends[start - 1] : window.ends[end - 1]]
               for window in windows for start, end in shift.spans(window)]
    assert answers == [f"{text}<|im_end|>" for text in texts[1::2]]


def test_a_single_turn_or_a_pair_that_is_too_long_cannot_be_split(made):
    example, pair = talk(1, "a", "b", "c", "d" * 300), Pair("p " * 100, "answer", "p.jsonl:2", "g")
    documents = [*encoded([example], made), plain.pair_document(pair.prompt, pair.answer, made, example=1)]
    kept, (summary, *each) = fit(documents, (example, pair), made, max_length=60, too_long="split")
    assert (kept, summary.severity) == ([], "error")
    assert [finding.where for finding in each] == ["a.jsonl:1", "p.jsonl:2"]
    assert not [finding for finding in (summary, *each) if "`split`" in finding.remedy]


def test_what_the_base_cannot_read_is_too_long_whatever_is_asked(made):
    long = talk(1, "a", "word and " * 300)
    _, (finding,) = fit(encoded([long], made), [long], made, max_length=100_000, too_long="refuse")
    assert f"more than {made.context} tokens" in finding.what
    assert f"at most {made.context} tokens" in finding.remedy and "training.max_length" not in finding.remedy
