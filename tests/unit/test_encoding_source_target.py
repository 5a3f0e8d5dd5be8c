"""A source and its target in one document: framed, proved, in their languages, cut on both sides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny import tiny_base, tiny_letters, tiny_t5
from tunesmith.cli import main
from tunesmith.encoding.documents.lengths import fit
from tunesmith.encoding.documents.source_target import Texts, documents
from tunesmith.encoding.tokens.codec import build
from tunesmith.errors import Misuse
from tunesmith.models import bases, load
from tunesmith.records import OF_TARGET, Head, Pair
from tunesmith.tasks import seq2seq
from two_texts import tokenizer_of

HEAD = Head("encoder-decoder")
CODEC = build(tiny_letters())


def pair(prompt: str, answer: str, language: str = "", line: int = 1) -> Pair:
    return Pair(prompt, answer, f"rows.jsonl:{line}", str(line), language=language)


def encoded(pairs: list[Pair], codec: Any = CODEC, **settings: Any) -> tuple[list[Any], list[Any]]:
    """The documents of pairs, and everything that was noticed on the way, the proof included."""
    made, findings = [], []
    proof = seq2seq.proof(codec, HEAD, seq2seq.Settings())
    found = seq2seq.encode(pairs, codec, seq2seq.Settings(**settings), HEAD)
    for number, (example, (each, noticed)) in enumerate(zip(pairs, found, strict=True)):
        made += [replace(document, example=number) for document in each]
        findings += [*noticed, *(proof.prove(each, example) if each else [])]
    return made, [*findings, *proof.notes()]


def test_the_tokens_of_a_document_spell_both_texts_to_a_reader() -> None:
    [document] = documents([Texts("to Baku", "by bus")], CODEC)
    starts = np.concatenate([[0], document.ends[:-1]])
    pieces = [document.text[start:end] for start, end in zip(starts, document.ends, strict=True)]
    assert document.text == "to Baku\nby bus" == "".join(pieces)
    learnt = [piece for piece, weight in zip(pieces, document.weights, strict=True) if weight]
    assert "".join(learnt) == "by bus"


def test_the_prefix_stands_before_every_source_with_the_language_in_it() -> None:
    made, findings = encoded([pair("hello", "salam"), pair("hello", "merhaba", "Turkish")],
                             prefix="say in {language}: ", target_language="Azerbaijani")
    texts = [CODEC.decode(each.ids[each.token_columns[OF_TARGET] == 0].tolist()) for each in made]
    assert texts == ["say in Azerbaijani: hello</s>", "say in Turkish: hello</s>"]
    assert findings == []


def test_a_typed_control_token_stays_text_on_both_sides() -> None:
    [document], findings = encoded([pair("end it with </s> now", "I did: </s> and <pad>")])
    assert document.ids.tolist().count(CODEC.eos) == 2
    assert CODEC.pad not in document.ids
    assert [finding.severity for finding in findings] == ["warning", "note"]  # "<" and "/" are no pieces here


def test_characters_that_the_model_cannot_write_are_a_warning_with_the_first_of_them() -> None:
    _, findings = encoded([pair("a", "b"), pair("json", "{one}", line=2), pair("json", "{two}", line=3)])
    [told] = findings
    assert (told.severity, told.kind, told.where) == ("warning", "tokenizer.unknown", "rows.jsonl:2")
    assert "2 answers" in told.what and "`{`" in told.what


def test_blanks_that_the_tokenizer_folds_are_told_once() -> None:
    _, findings = encoded([pair("two  blanks", "one\nline"), pair("two  more", "x")])
    [told] = findings
    assert (told.severity, told.kind) == ("note", "tokenizer.rewrote") and "texts: 3" in told.what


@pytest.mark.parametrize("damage", ["end", "letter", "mask", "target"])
def test_the_proof_refuses_a_document_that_is_not_the_row(damage: str) -> None:
    [document], _ = encoded([pair("hello", "salam")])
    ids, targets, weights = document.ids.copy(), document.targets.copy(), document.weights.copy()
    if damage == "end":
        ids[-1] = targets[-1] = ids[-2]
    elif damage == "letter":
        ids[-2] = targets[-2] = ids[0]
    elif damage == "mask":
        weights[0] = 1
    else:
        targets[-2] = ids[0]
    proof = seq2seq.proof(CODEC, HEAD, seq2seq.Settings())
    found = proof.prove([replace(document, ids=ids, targets=targets, weights=weights)], pair("hello", "salam"))
    assert [finding.severity for finding in found] == ["error"] * len(found) != []


def test_an_answer_of_blanks_alone_teaches_nothing_and_is_refused() -> None:
    _, findings = encoded([pair("hello", "  ")])
    assert "row.unsupervised" in [finding.kind for finding in findings]


def test_both_sides_are_cut_to_the_length_and_the_cut_end_of_an_answer_is_not_learnt() -> None:
    pairs = [pair("abcdefghijklmnop", "qrstuvwxyz"), pair("ab", "cd")]
    made, _ = encoded(pairs)
    kept, findings = fit(made, pairs, CODEC, max_length=8, too_long="cut")
    source, target = (kept[0].ids[kept[0].token_columns[OF_TARGET] == part] for part in (0, 1))
    assert (len(source), len(target)) == (8, 8)
    assert CODEC.decode(source.tolist()) == "abcdef</s>"
    assert CODEC.decode(kept[0].targets[kept[0].weights > 0].tolist()) == "qrstuv"
    np.testing.assert_array_equal(kept[1].ids, made[1].ids)
    assert "18" in findings[0].what  # the longer of both sides, its frame included


def test_the_length_is_that_of_the_longer_side_and_not_of_both() -> None:
    pairs = [pair("abcdef", "ghijkl")]
    made, _ = encoded(pairs)
    assert fit(made, pairs, CODEC, max_length=8, too_long="refuse") == (made, [])
    refused, findings = fit(made, pairs, CODEC, max_length=7, too_long="refuse")
    assert refused == [] and findings[0].what.endswith("the longest has 8")


@pytest.mark.parametrize("family", ["mBART", "mBART-50", "NLLB"])
def test_each_row_is_framed_in_its_own_language(family: str) -> None:
    tokenizer = tokenizer_of(family)
    codec = build(tokenizer)
    source, first, second = {"mBART": ("en_XX", "tr_TR", "ru_RU"), "mBART-50": ("en_XX", "az_AZ", "tr_TR"),
                             "NLLB": ("eng_Latn", "azj_Latn", "eng_Latn")}[family]
    made, findings = encoded([pair("hat", "papaq"), pair("hat", "sapka", second)], codec, source_language=source,
                             target_language=first)
    assert findings == []
    tokenizer.src_lang = source
    for document, language, answer in zip(made, (first, second), ("papaq", "sapka"), strict=True):
        tokenizer.tgt_lang = language
        theirs = tokenizer("hat", text_target=answer)
        assert document.ids.tolist() == [*theirs["input_ids"], *theirs["labels"]]


def test_a_base_that_marks_languages_wants_to_know_them() -> None:
    codec = build(tokenizer_of("NLLB"))
    made, findings = encoded([pair("hat", "papaq", line=4), pair("hat", "papaq", "azj_Latn")], codec)
    assert len(made) == 1
    assert [(each.kind, each.where) for each in findings] == [("row.language", "rows.jsonl:4")]
    with pytest.raises(Misuse, match="azj_Latin") as caught:
        encoded([pair("hat", "papaq")], codec, target_language="azj_Latin")
    assert caught.value.remedy == "use `azj_Latn`" and caught.value.where == "task.target_language"


def test_a_base_that_marks_no_language_says_so() -> None:
    with pytest.raises(Misuse, match="marks no language") as caught:
        encoded([pair("hat", "papaq")], target_language="azj_Latn")
    assert "{language}" in caught.value.remedy
    _, [told] = encoded([pair("hat", "papaq", "az"), ])
    assert (told.severity, told.kind) == ("warning", "row.language")


def test_t5_reads_texts_of_any_length_whatever_its_tokenizer_says(tmp_path: Path) -> None:
    folder = tiny_t5(tmp_path / "t5", n_positions=512)
    assert bases.find(str(folder)).context > 100_000


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def checked(base: Path, task: str) -> tuple[int, str]:
        (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "answer": "b"}\n' * 3)
        (tmp_path / "recipe.yaml").write_text(json.dumps(
            {"base": str(base), "task": task, "training": {"max_length": 64},
             "data": {"train": "rows.jsonl", "validation": 0, "test": 0}}))
        code = main(["check", str(tmp_path / "recipe.yaml")])
        told = capsys.readouterr()
        return code, told.out + told.err
    return checked


def test_a_base_of_the_other_kind_is_refused_with_the_task_that_takes_it(check: Any, tmp_path: Path) -> None:
    code, told = check(tiny_t5(tmp_path / "t5"), "chat")
    assert code == 3 and "reads one text and writes another" in told and "task: seq2seq" in told
    code, told = check(tiny_base(tmp_path / "llama"), "seq2seq")
    assert code == 3 and "task: chat" in told


def test_a_base_with_a_slow_tokenizer_is_refused(check: Any, tmp_path: Path) -> None:
    from transformers import CanineTokenizer

    folder = tiny_t5(tmp_path / "t5")
    (folder / "tokenizer.json").unlink()
    CanineTokenizer().save_pretrained(folder)
    code, told = check(folder, "seq2seq")
    assert code == 3 and "slow kind" in told and "tokenizer.json" in told


@pytest.fixture
def real(shared: Path, tmp_path: Path) -> Any:
    """The codec of T5's own file of pieces, beside a tiny network."""
    pytest.importorskip("sentencepiece")
    folder = tiny_t5(tmp_path / "t5", vocab_size=32128)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    shutil.copy(shared / "models" / "tokenizers" / "t5" / "spiece.model", folder)
    return load.codec(bases.find(str(folder)), None, None)  # type: ignore[arg-type]


def test_t5s_own_pieces_are_read_and_proved(real: Any) -> None:
    pairs = [pair("The house is wonderful.", "Das Haus ist wunderbar."), pair("Say </s> or <extra_id_0>.", "No."),
             pair("keys", '{"a": 1}')]
    made, findings = encoded(pairs, real, prefix="translate English to German: ")
    theirs = [13959, 1566, 12, 2968, 10, 37, 629, 19, 1627, 5, 1]
    assert made[0].ids[made[0].token_columns[OF_TARGET] == 0].tolist() == theirs
    assert made[0].targets[made[0].weights > 0].tolist() == [644, 4598, 229, 19250, 5, 1]
    assert made[1].ids.tolist().count(1) == 2
    told = {finding.kind: finding for finding in findings}
    assert "`{`" in told["tokenizer.unknown"].what or "`<`" in told["tokenizer.unknown"].what
    assert not [finding for finding in findings if finding.severity == "error"]
