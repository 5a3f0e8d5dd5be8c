"""Bits per byte: every byte that is counted is predicted, and vocabularies can be compared by it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_encoding_vocabulary import state

from tiny import AZERBAIJANI, tiny_base, tiny_tokenizer
from tunesmith.encoding.documents import plain
from tunesmith.encoding.documents.lengths import fit
from tunesmith.encoding.tokens.codec import build
from tunesmith.encoding.tokens.spelling import utf8_bytes
from tunesmith.errors import Misuse, Problems
from tunesmith.inference.scoring import score, spelling_of
from tunesmith.metrics import bits_per_byte
from tunesmith.recipe.read import parse
from tunesmith.records import Batch, Loss, Prediction, Text
from tunesmith.workflow.events import silent
from tunesmith.workflow.tuning import train as story


def opened(kind: str, *, begins: bool) -> Any:
    """A codec of a kind of vocabulary, that opens its texts with a token of their own or not."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer.from_str(state(kind))
    first, last = ("<s>", "</s>") if kind == "fallback" else ("<|im_start|>", "<|im_end|>")
    if begins:
        made.post_processor = TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, made.token_to_id(first))])
    return build(PreTrainedTokenizerFast(tokenizer_object=made, bos_token=first, eos_token=last, model_max_length=512))


CODECS = {(kind, begins): opened(kind, begins=begins) for kind in ("bytes", "fallback") for begins in (True, False)}
PARTS = st.sampled_from([*" ".join(AZERBAIJANI).split(), " ", "🙂", "\n"])
WORDS = st.lists(PARTS, min_size=1, max_size=9).map("".join)


@given(st.text(min_size=1, max_size=40) | WORDS)
def test_the_bytes_counted_are_those_of_the_tokens_that_are_predicted(text):
    for (_, begins), codec in CODECS.items():
        document = plain.text_document(text, codec)
        counted = spelling_of(codec)(document)
        unpredicted = b"" if begins or not text else _bytes(codec, document.ids[:1], text)
        assert counted == len(text.encode()) - len(unpredicted)


def _bytes(codec: Any, ids: Any, text: str) -> bytes:
    """What the first token spells of the text."""
    count = int(codec.bytes_of[ids].sum()) - (1 if codec.adds_blank else 0)
    return text.encode()[:count]


@pytest.mark.parametrize("begins", [True, False])
def test_a_text_in_windows_counts_every_byte_once(begins):
    codec, text = CODECS["bytes", begins], " ".join(AZERBAIJANI)
    document = plain.text_document(text, codec)
    windows, _ = fit([document], [Text(text, "a:1", "a")], codec, max_length=16, too_long="split")
    count = spelling_of(codec)
    assert len(windows) > 3 and sum(map(count, windows)) == count(document)


def test_control_tokens_spell_nothing():
    codec = CODECS["bytes", True]
    assert codec.bytes_of[[codec.bos, codec.eos]].tolist() == [0, 0]
    assert codec.bytes_of[codec.encode("Baku <|im_end|>").ids].sum() == len("Baku <|im_end|>")  # typed by somebody


def test_smollm_counts_as_many_bytes_as_the_file_has():
    lengths = utf8_bytes(tiny_tokenizer().backend_tokenizer.to_str())
    for line in AZERBAIJANI:
        assert lengths[tiny_tokenizer()(line)["input_ids"]].sum() == len(line.encode())


def test_a_uniform_guess_costs_its_logarithm_a_token():
    codec = CODECS["bytes", True]
    documents = [replace(plain.text_document(line, codec), example=place) for place, line in enumerate(AZERBAIJANI)]

    def uniform(batch: Batch) -> Loss:
        weights = torch.zeros(len(batch.example_ids)).index_add(
            0, batch.examples[batch.document_of], batch.weights)
        return Loss(weights * math.log(codec.vocabulary), weights)

    found = score(uniform, documents, tokens=100, spelling=spelling_of(codec))
    statistics = [bits_per_byte.measure(found[place], Text(line, "", ""), bits_per_byte.Settings())
                  for place, line in enumerate(AZERBAIJANI)]
    tokens = sum(len(document) - 1 for document in documents)
    total = sum(len(line.encode()) for line in AZERBAIJANI)
    value = bits_per_byte.combine(np.array(statistics), np.ones((1, len(statistics))))[0]
    assert value == pytest.approx(tokens * math.log2(codec.vocabulary) / total)


def test_a_task_that_predicts_no_text_is_told_so():
    with pytest.raises(Misuse, match="this task predicts none"):
        bits_per_byte.measure(Prediction(0, 3.0, 2.0), Text("", "", ""), bits_per_byte.Settings())


@pytest.fixture
def recipe(tmp_path: Path) -> Any:
    rows = [f"{line} {number} {other}" for number, line in enumerate(AZERBAIJANI * 10) for other in AZERBAIJANI[:2]]
    (tmp_path / "az.txt").write_text("\n".join(rows), encoding="utf-8")

    def made(*overrides: str) -> Any:
        return parse({
            "base": {"name": str(tiny_base(tmp_path / "base")), "dtype": "float32", "vocabulary": {"tokens": 60}},
            "task": "completion", "data": {"train": str(tmp_path / "az.txt")}, "adapter": "lora",
            "training": {"steps": 2, "max_length": 256, "batch_size": 4}, "evaluation": {"generate": 0},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


def test_a_base_is_judged_in_its_own_vocabulary(recipe):
    own = story.train(recipe("base.vocabulary.tokens=0"), observe=silent).verdict
    grown = story.train(recipe(), observe=silent)
    assert own is not None and grown.verdict is not None
    assert list(own.metrics) == ["loss", "perplexity", "bits_per_byte"]
    assert list(grown.verdict.metrics) == ["bits_per_byte"] and grown.verdict.primary == "bits_per_byte"
    assert grown.verdict.metrics["bits_per_byte"].against == pytest.approx(own.metrics["bits_per_byte"].against)
    written = json.loads((grown.run / "verdict.json").read_text())
    assert any("new pieces: " in finding["what"] for finding in written["findings"])


def test_rows_that_only_one_vocabulary_reads_whole_are_left_out(recipe):
    done = story.train(recipe("training.max_length=70", "data.too_long=drop"), observe=silent)
    assert done.verdict is not None and done.verdict.metrics["bits_per_byte"].rows > 0


def test_a_metric_of_tokens_cannot_decide_between_vocabularies(recipe):
    with pytest.raises((Misuse, Problems), match="counts by the token"):
        recipe("evaluation.metric=perplexity")
    with pytest.raises((Misuse, Problems), match="cut base and tuned at different places"):
        recipe("data.too_long=cut")
