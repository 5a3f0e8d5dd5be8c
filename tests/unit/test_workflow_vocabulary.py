"""A run whose base gets new pieces: told before, learnt, kept, opened again, and left as plain files."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny import AZERBAIJANI as LINES
from tiny import tiny_base, tiny_encoder, tiny_tokenizer
from tunesmith.errors import Refusal
from tunesmith.inference import predictor
from tunesmith.models import bases, load, rows
from tunesmith.models.adapters import lora
from tunesmith.models.model import LanguageModel
from tunesmith.recipe.read import parse
from tunesmith.records import Head
from tunesmith.runs import folder, lineage
from tunesmith.workflow.checking.check import check
from tunesmith.workflow.events import Stepped, silent
from tunesmith.workflow.exporting.export import export
from tunesmith.workflow.tuning import train as story

CPU = torch.device("cpu")
KNOWN = len(tiny_tokenizer())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    texts = [f"{line} {number} {other}" for number, line in enumerate(LINES * 10) for other in LINES[:2]]
    (tmp_path / "az.txt").write_text("\n".join(texts), encoding="utf-8")
    base = tiny_base(tmp_path / "base", tie_word_embeddings=False)

    def made(*overrides: str) -> Any:
        return parse({
            "base": {"name": str(base), "dtype": "float32", "vocabulary": {"tokens": 60}}, "task": "completion",
            "data": {"train": str(tmp_path / "az.txt")},
            "adapter": {"type": "lora", "rank": 4},
            "training": {"learning_rate": 1e-2, "steps": 6, "epochs": 9, "batch_size": 4, "max_length": 256,
                         "save_every": 2},
            "evaluation": {"generate": 0},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


def kept(run: Path) -> dict[str, bytes]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {file.name: file.read_bytes() for file in [run / "records.jsonl", *newest.glob("*.safetensors")]}


def logits(network: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return network(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def test_check_tells_the_tokens_of_a_word_before_and_after(make):
    report = check(make())
    told = next(finding for finding in report.findings if finding.kind == "base.vocabulary")
    assert report.ok and told.severity == "note"
    assert "60 new pieces: " in told.what and "in the test rows" in told.what and "(-" in told.what
    assert check(make()).findings == report.findings  # from what was kept
    more = check(make("base.vocabulary.tokens=100000"))
    assert any("are more than stand 10 times in the texts" in finding.what for finding in more.findings)


def test_a_run_keeps_its_pieces_and_is_opened_without_the_texts(make, tmp_path):
    done = story.train(make(), observe=silent)
    (tmp_path / "az.txt").unlink()
    tuned = predictor.open(str(done.run))
    assert tuned.codec.vocabulary == KNOWN + 60 and tuned.codec.decode(tuned.codec.encode(LINES[0]).ids) == LINES[0]
    facts = lineage.read(folder.open_run(done.run).lineage_file)["chosen"]["vocabulary"]
    assert facts["pieces"] == 60 and facts["tokens_per_word"]["after"] < 0.75 * facts["tokens_per_word"]["before"]
    embedding = tuned.model.network.get_input_embeddings()
    assert rows.configuration(tuned.model.network) == {
        name: list(range(KNOWN, KNOWN + 60)) for name in ("model.embed_tokens", "lm_head")}
    assert embedding.num_embeddings == KNOWN + 60


def test_each_piece_begins_as_the_mean_of_those_that_it_replaces(make):
    done = story.train(make("training.steps=1"), observe=silent)
    base = bases.of_run(done.run, make())
    own = load.network(bases.find(base.name), dtype=torch.float32, device=CPU)
    grown = load.network(base, dtype=torch.float32, device=CPU)
    replaced = load.new_ids(base)
    assert len(replaced) == 60 and all(replaced.values())
    for before, after in ((own.get_input_embeddings(), grown.get_input_embeddings()), (own.lm_head, grown.lm_head)):
        assert torch.equal(after.weight[:KNOWN], before.weight)
        for index, ids in replaced.items():
            torch.testing.assert_close(after.weight[index], before.weight[list(ids)].mean(0))


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_plain_transformers_opens_the_result_with_the_same_ids_and_answers(make, adapter, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = story.train(make(f"adapter={adapter}"), observe=silent)
    target = tmp_path / "out"
    export(done.run, "merged", output=target)
    tuned = predictor.open(str(done.run))
    network, tokenizer = AutoModelForCausalLM.from_pretrained(target), AutoTokenizer.from_pretrained(target)
    for line in LINES:
        ids = tokenizer(line)["input_ids"]
        assert ids == tuned.codec.encode(line).ids and max(ids) >= KNOWN and tokenizer.decode(ids) == line
        torch.testing.assert_close(logits(network, ids), logits(tuned.model.network, ids), rtol=0, atol=1e-4)


def test_peft_opens_the_adapter_with_the_new_rows(make, tmp_path):
    done = story.train(make(), observe=silent)
    assert export(done.run, "adapter", output=tmp_path / "out").as_json()


def test_a_run_with_new_pieces_that_was_stopped_goes_on_bit_for_bit(make):
    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop)
    assert kept(story.resume(stopped.run, observe=silent).run) == kept(whole.run)


def test_an_earlier_run_brings_its_pieces_and_takes_more(make):
    first = story.train(make("base.special_tokens.additional=[<|more|>]"), observe=silent)
    before = predictor.open(str(first.run))
    assert before.codec.control["<|more|>"] == KNOWN + 60
    second = make(f"base.name={first.run}", "base.vocabulary.tokens=20")
    done = story.train(second, observe=silent)
    tuned = predictor.open(str(done.run))
    assert tuned.codec.vocabulary == KNOWN + 81 and tuned.codec.control["<|more|>"] == KNOWN + 60
    words = before.codec.words()
    assert {token: tuned.codec.words()[token] for token in words} == words
    begun = load.network(bases.of_run(done.run, second), dtype=torch.float32, device=CPU)
    ids = before.codec.encode(LINES[0]).ids
    torch.testing.assert_close(
        logits(begun, ids)[:, : KNOWN + 61], logits(before.model.network, ids), rtol=0, atol=1e-4)


def test_the_pieces_are_learnt_from_other_texts_where_some_are_named(make, tmp_path):
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"text": f"qurbağa {n}"}) + "\n" for n in range(30)))
    done = story.train(make(f"base.vocabulary.texts={tmp_path}/corpus.jsonl"), observe=silent)
    tuned = predictor.open(str(done.run))
    assert len(tuned.codec.encode("qurbağa").ids) == 1 and tuned.codec.vocabulary < KNOWN + 60


def test_an_encoder_with_a_new_head_gets_rows_too(tmp_path):
    from dataclasses import replace

    from tunesmith.encoding.tokens.vocabulary import learn

    base = bases.find(str(tiny_encoder(tmp_path / "encoder")))
    state = load.tokenizer(base).backend_tokenizer.to_str()
    grown = replace(base, added=(learn(state, LINES * 5, tokens=40, at_least=5),))
    for head in (Head("sequence", ("a", "b"), "single"), Head("masked")):
        network = load.network(grown, dtype=torch.float32, device=CPU, head=head)
        model = LanguageModel(network, lora, lora.Settings(targets=["query"]), seed=0, head=head)
        assert network.get_input_embeddings().num_embeddings == load.tokenizer(base).vocab_size + 40
        assert [name for name in model.learns if rows.WEIGHT in name]


def test_a_tokenizer_that_cannot_be_extended_is_an_error_of_the_check(make, tmp_path):
    path = tmp_path / "base" / "tokenizer.json"
    told = json.loads(path.read_text())
    told["model"] |= {"end_of_word_suffix": "</w>"}
    path.write_text(json.dumps(told))
    report = check(make())
    assert [finding.kind for finding in report.findings if finding.severity == "error"] == ["base.vocabulary_kind"]
    with pytest.raises(Refusal, match="cannot be extended"):
        story.train(make(), observe=silent)
