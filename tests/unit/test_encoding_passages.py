"""Windows of a question and its context, held to transformers' own cutting; and the proof that finds what is wrong."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from questions import CLIPS, ORDER, codec_of, question, questions
from tiny import tiny_encoder, tiny_pieces
from tunesmith.encoding.documents import passages
from tunesmith.encoding.proofs.passages import Proof
from tunesmith.encoding.tokens.codec import build
from tunesmith.records import Answer, Question
from tunesmith.tasks import extract

SETTINGS = extract.Settings(stride=6)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("passages") / "base")


def made(example, codec, settings=SETTINGS):
    [(documents, findings)] = extract.encode([example], codec, settings, extract.head(questions(), settings))
    return documents, findings


def theirs(example: Question, longest: int, stride: int) -> list[tuple[list[int], list[int], int, int]]:
    """Windows and answers as transformers' `run_qa.py` makes them: ids, token types, first and last token."""
    found = tiny_pieces()(
        example.question, example.context, truncation="only_second", max_length=longest, stride=stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True)
    windows = []
    for number, ids in enumerate(found["input_ids"]):
        of, spans = found.sequence_ids(number), found["offset_mapping"][number]
        start, end = 0, 0
        if example.answers:
            begins, stops = example.answers[0].start, example.answers[0].start + len(example.answers[0].text)
            first, last = of.index(1), len(ids) - 2
            if spans[first][0] <= begins and spans[last][1] >= stops:
                start = first
                while start <= last and spans[start][0] <= begins:
                    start += 1
                start -= 1
                end = last
                while spans[end][1] >= stops:
                    end -= 1
                end += 1
        windows.append((ids, found["token_type_ids"][number], start, end))
    return windows


def drawn(chance: random.Random, row: int) -> Question:
    words = [chance.choice(f"{ORDER} {CLIPS}".split()) for _ in range(chance.randrange(5, 80))]
    first = chance.randrange(len(words))
    answer = words[first : first + chance.randrange(1, 4)]
    start = len(" ".join([*words[:first], ""]))
    answers = (Answer(" ".join(answer), start),) if chance.random() < 0.8 else ()
    return Question("Who sold what?", " ".join(words), answers, f"squad.json:{row}", "1")


def test_windows_and_answers_are_those_of_transformers_own_recipe(base):
    chance = random.Random(3)
    codec = codec_of(base, 30)
    seen = 0
    for row in range(200):
        example = drawn(chance, row)
        documents, findings = made(example, codec)
        assert findings == []
        found = [(document.ids.tolist(), document.token_columns["segment"].tolist(),
                  *(int(document.document_columns[name]) for name in ("start", "end"))) for document in documents]
        assert found == theirs(example, 30, 6)
        seen += len(found) > 2
    assert seen > 50


def test_every_answer_decodes_to_its_text_and_to_the_characters_of_the_context(base):
    codec = codec_of(base, 24)
    for example in questions():
        answer = passages.learnt(example)
        if answer is None:
            continue
        [passage] = passages.encode([example], codec, SETTINGS.stride)
        span = passage.tokens(answer)
        start, end = passage.characters(*span)
        assert (start, example.context[start:end]) == (answer.start, answer.text)
        holding = [document for document in passages.documents(passage, codec) if document.document_columns["start"]]
        assert holding
        for document in holding:
            first, last = (int(document.document_columns[name]) for name in ("start", "end"))
            assert codec.decode(document.ids[first : last + 1]) == answer.text.lower()
            assert document.supervised.nonzero()[0].tolist() == list(range(first, last + 1))


def test_a_window_without_the_answer_learns_its_first_token(base):
    documents, _ = made(question("Who sold clips?", CLIPS, "Natalia"), codec_of(base, 24))
    places = [(int(each.document_columns["start"]), int(each.document_columns["end"])) for each in documents]
    assert places[0] != (0, 0) and set(places[1:]) == {(0, 0)}
    assert all(each.supervised.nonzero()[0].tolist() == [0] for each in documents[1:])


def test_the_text_of_a_window_is_what_its_tokens_spell(base):
    documents, _ = made(questions()[0], codec_of(base))
    assert documents[0].text == f"[CLS]What goes to Anna?[SEP]{ORDER}[SEP]"
    ends = documents[0].ends
    first, last = (int(documents[0].document_columns[name]) for name in ("start", "end"))
    assert documents[0].text[ends[first - 1] : ends[last]].strip() == "two red shirts and one blue hat"


def test_several_answers_are_trained_on_by_the_most_frequent_else_the_first():
    asked = question("Where?", ORDER, "in Baku", "Baku", "Baku")
    assert passages.learnt(asked).text == "Baku"
    assert passages.learnt(replace(asked, answers=asked.answers[:2])).text == "in Baku"


@pytest.mark.parametrize("longest", [512, 24])
def test_the_proof_has_nothing_to_say_of_what_is_right(base, longest):
    codec = codec_of(base, longest)
    proof = Proof(codec)
    assert [found for example in questions() for found in proof.prove(made(example, codec)[0], example)] == []
    assert proof.notes() == []


def changed(document, **columns):
    weights = np.zeros_like(document.weights)
    kept = dict(document.document_columns) | {name: np.asarray(place) for name, place in columns.items()}
    weights[int(kept["start"]) : int(kept["end"]) + 1] = 1
    return replace(document, document_columns=kept, weights=weights)


FAULTS = {
    "the start is one later": lambda found: [changed(found[0], start=found[0].document_columns["start"] + 1)],
    "the end is one later": lambda found: [changed(found[0], end=found[0].document_columns["end"] + 1)],
    "the answer is taken for none": lambda found: [changed(found[0], start=0, end=0)],
    "another place with the same words": lambda found: [changed(found[0], start=found[0].document_columns["start"] + 30,
                                                                end=found[0].document_columns["end"] + 30)],
    "something else is marked as learnt": lambda found: [replace(found[0], weights=np.ones_like(found[0].weights))],
    "a window is missing": lambda found: found[:-1],
    "a token is another": lambda found: [replace(found[0], ids=found[0].ids[::-1].copy())],
    "the token types are wrong": lambda found: [replace(
        found[0], token_columns={"segment": 1 - found[0].token_columns["segment"]})],
}


@pytest.mark.parametrize(("fault", "longest"), [
    (fault, longest) for longest in (512, 30) for fault in FAULTS if longest == 512 or "another place" not in fault
])
def test_the_proof_catches_what_is_planted(base, fault, longest):
    example = question("What did Natalia sell?", CLIPS, "clips")
    codec = codec_of(base, longest)
    documents = list(made(example, codec)[0])
    wrong = [*FAULTS[fault](documents), *([] if fault == "a window is missing" else documents[1:])]
    found = Proof(codec).prove(wrong, example)
    assert found and all(one.severity == "error" and one.kind.startswith("mask.") for one in found)
    assert {one.where for one in found} == {"squad.json:1"}


def test_answers_inside_a_token_are_told_with_their_number_and_the_first_of_them(base):
    codec = codec_of(base)
    proof = Proof(codec)
    inside = Question("Who?", CLIPS, (Answer("atali", CLIPS.index("atali")),), "squad.json:7", "1")
    for example in (*questions(), inside, replace(inside, where="squad.json:9")):
        assert proof.prove(made(example, codec)[0], example) == []
    [note] = proof.notes()
    assert (note.severity, note.kind, note.where) == ("note", "row.inexact_answer", "squad.json:7")
    assert note.what.startswith("2 of 5 answers begin or end inside a token") and "'Natalia' for 'atali'" in note.what


def test_blank_space_around_an_answer_is_no_part_of_it(base):
    example = Question("Who?", CLIPS, (Answer(" sold ", CLIPS.index(" sold ")),), "squad.json:7", "1")
    codec = codec_of(base)
    [passage] = passages.encode([example], codec, 6)
    assert CLIPS[slice(*passage.characters(*passage.tokens(example.answers[0])))] == "sold"
    proof = Proof(codec)
    assert proof.prove(made(example, codec)[0], example) == [] and proof.notes() == []


def test_an_answer_that_no_window_holds_whole_is_refused_with_what_to_do(base):
    example = question("Who?", CLIPS, CLIPS[:70])
    [found] = made(example, codec_of(base, 16))[1]
    assert (found.severity, found.kind, found.where) == ("error", "row.answer_parted", "squad.json:1")
    assert "training.max_length" in found.remedy and "task.stride" in found.remedy


def test_a_question_that_leaves_no_room_is_one_document_longer_than_may_be(base):
    codec = codec_of(base, 16)
    example = question("Who sold half as many clips in May as in April, and then the rest of them?", CLIPS, "Natalia")
    documents, findings = made(example, codec)
    assert findings == [] and len(documents) == 1 and len(documents[0]) > 16
    assert Proof(codec).prove(documents, example) == []


@pytest.mark.parametrize(("context", "answers", "kind"), [
    ("\u200b\u0000", (), "row.no_context"),
    ("Anna \u0000\u0001 Baku", (Answer("\u0000\u0001", 5),), "row.answer_unknown"),
])
def test_what_has_no_tokens_is_refused_at_its_row(base, context, answers, kind):
    [found] = made(Question("Who?", context, answers, "squad.json:3", "1"), codec_of(base))[1]
    assert (found.severity, found.kind, found.where) == ("error", kind, "squad.json:3") and found.remedy


def byte_level():
    """A tokenizer as language models have it: blanks belong to the words after them, and nothing is framed."""
    from transformers import PreTrainedTokenizerFast

    from tiny import tiny_tokenizer

    made = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer().backend_tokenizer, eos_token="<|im_end|>")
    made.backend_tokenizer.post_processor = None
    return made


def metaspaced():
    """A tokenizer as T5 has it: blanks are characters of the words after them, and only ends are marked."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({f"\u2581{word}" for word in f"{ORDER} {CLIPS} Who sold what?".split()})
    letters = sorted({letter for word in words for letter in word})
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((word, -1.0) for word in words), *((letter, -9.0) for letter in letters)]
    made = Tokenizer(models.Unigram(list(dict(pieces).items()), unk_id=0))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", eos_token="</s>")


@pytest.mark.parametrize("tokenizer", [tiny_pieces, byte_level, metaspaced])
def test_questions_are_proved_with_tokenizers_of_every_kind(tokenizer):
    codec, chance = build(tokenizer(), context=512, longest=40), random.Random(4)
    proof, exact = Proof(codec), 0
    for row in range(60):
        example = drawn(chance, row)
        [passage] = passages.encode([example], codec, 6)
        documents = passages.documents(passage, codec)
        assert proof.prove(documents, example) == []
        for document, places in zip(documents, passage.windows, strict=True):
            first, last = (int(document.document_columns[name]) for name in ("start", "end"))
            if last and example.answers:
                start, end = passage.characters(int(places[first]), int(places[last]))
                assert example.answers[0].text in example.context[start:end]
                exact += example.answers[0].text == example.context[start:end]
    assert exact > 20


def test_an_answer_with_a_blank_at_its_end_is_proved_where_blanks_begin_the_next_word():
    codec = build(byte_level(), context=512)
    example = Question("Who?", CLIPS, (Answer("sold ", CLIPS.index("sold ")),), "squad.json:7", "1")
    assert Proof(codec).prove(made(example, codec)[0], example) == []
