"""Hidden words: transformers' loss and gradients, masks that are drawn anew and found again, the right baselines."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny import AZERBAIJANI, SENTENCES, tiny_base, tiny_encoder
from tunesmith.contracts import Given
from tunesmith.encoding.batches.flat import Flattening
from tunesmith.encoding.batches.packing import cut, pack
from tunesmith.encoding.documents import masking
from tunesmith.encoding.documents.masking import FRAME, PART, Masking
from tunesmith.encoding.tokens.codec import Codec, build
from tunesmith.errors import Problem, Problems
from tunesmith.inference import predictor
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.recipe.read import parse
from tunesmith.records import Head, Order, Position, Text
from tunesmith.tasks import masked
from tunesmith.workflow.checking.check import check
from tunesmith.workflow.events import Stepped, silent
from tunesmith.workflow.tuning import train as story

CPU, HEAD = torch.device("cpu"), Head("masked")
START = Position(cursor={"epoch": 0, "index": 0, "step": 0})
TEXTS = [f"{sentence} {number} {SENTENCES[number % 5]}" for number, sentence in enumerate(SENTENCES * 4)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("masked") / "encoder")


@pytest.fixture(scope="module")
def codec(encoder) -> Codec:
    return load.codec(bases.find(str(encoder)), None, datetime(2026, 11, 21), longest=64)


def examples(texts: list[str]) -> list[Text]:
    return [Text(text, f"a.txt:{number}", text) for number, text in enumerate(texts, 1)]


def flat(texts: list[str], codec: Codec, **options: Any) -> Any:
    """The documents of a side, as a run keeps them: without their text."""
    taken = Flattening()
    for index, (made, found) in enumerate(masked.encode(examples(texts), codec, masked.Settings(**options), HEAD)):
        assert not found and not masked.proof(codec, HEAD, None).prove(made, examples(texts)[index])
        taken.take(made, index)
    return taken.flat()


def model(encoder: Path, adapter: Any = full, dtype: torch.dtype = torch.float64, **options: Any) -> LanguageModel:
    network = load.network(bases.find(str(encoder)), dtype=dtype, device=CPU, head=HEAD)
    return LanguageModel(network, adapter, adapter.Settings(**options), seed=0, head=HEAD)


def test_loss_and_gradients_are_those_of_transformers(encoder, codec):
    ours = model(encoder)
    batch = pack([replace(document, example=place) for place, document in enumerate(flat(TEXTS[:6], codec))])
    found = masked.loss(ours, batch, masked.Settings())
    assert found.weights.tolist() == [int((document.weights > 0).sum()) for document in batch.documents]
    (found.terms.sum() / found.weights.sum()).backward()
    theirs = load.network(bases.find(str(encoder)), dtype=torch.float64, device=CPU, head=HEAD)
    longest = max(map(len, batch.documents))
    ids, labels, seen = (torch.full((len(batch.documents), longest), fill) for fill in (0, -100, 0))
    for row, document in enumerate(batch.documents):
        asked = torch.from_numpy(document.weights > 0)
        ids[row, : len(document)], seen[row, : len(document)] = torch.from_numpy(document.ids), 1
        labels[row, : len(document)] = torch.where(asked, torch.from_numpy(document.targets), -100)
    loss = theirs(input_ids=ids, attention_mask=seen, labels=labels).loss
    loss.backward()
    assert (found.terms.sum() / found.weights.sum()).item() == pytest.approx(loss.item(), abs=1e-10)
    other = dict(theirs.named_parameters())
    assert len(ours.learns) > 30
    for name, weight in ours.network.named_parameters():
        if other[name].grad is not None and weight.grad is not None:
            torch.testing.assert_close(weight.grad, other[name].grad, rtol=0, atol=1e-10)
    assert ours.network.cls.predictions.transform.dense.weight.grad.abs().max() > 1e-6
    assert not ours.unreached() or all("pooler" in name for name in ours.unreached())


def test_the_new_head_is_tied_and_only_its_transform_is_drawn(encoder):
    ours, other = model(encoder), load.network(
        bases.find(str(encoder)), dtype=torch.float64, device=CPU, head=HEAD, seed=1)
    network = ours.network
    assert ours.head_is_new and network.cls.predictions.decoder.weight is network.get_input_embeddings().weight
    assert network.cls.predictions.bias.abs().max() == 0
    differ = {name for name, weight in network.named_parameters() if not torch.equal(
        weight, dict(other.named_parameters())[name])}
    assert differ == {"cls.predictions.transform.dense.weight"}


@pytest.mark.parametrize("whole", [True, False])
@given(texts=st.lists(st.lists(st.sampled_from([*" ".join(SENTENCES).split(), "ə", "🙂"]), min_size=1, max_size=40)
                      .map(" ".join), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_of_every_text_the_share_is_hidden_and_words_stay_together(codec, whole, texts):
    for made, _ in masked.encode(examples(texts), codec, masked.Settings(whole_words=whole), HEAD):
        for document in made:
            part, asked = document.token_columns[PART], document.weights > 0
            room = int((part != FRAME).sum())
            assert (document.ids[~asked] == document.targets[~asked]).all() and not asked[part == FRAME].any()
            words = np.split(asked, np.flatnonzero(part != masking.GOES_ON)[1:])
            if whole:
                assert all(word.all() or not word.any() for word in words if len(word) > 1)
            if room:
                fits = max(1, round(0.15 * room))
                assert asked.sum() >= 1 and (asked.sum() <= fits or len([word for word in words if word.any()]) == 1)
                if not whole:
                    assert asked.sum() == fits


def test_of_what_is_hidden_eight_in_ten_are_masked_and_one_in_ten_is_another_token(codec):
    hiding = Masking.by(codec, share=0.5, whole_words=True)
    document = flat([" ".join(SENTENCES)[:250]], codec)[0]
    draw = np.random.default_rng(0)
    many = [hiding.hide(document, draw) for _ in range(400)]
    asked = np.concatenate([each.weights > 0 for each in many])
    ids, targets = (np.concatenate([getattr(each, name) for each in many])[asked] for name in ("ids", "targets"))
    shares = [(ids == codec.mask).mean(), (ids == targets).mean(), ((ids != codec.mask) & (ids != targets)).mean()]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    assert not set(ids.tolist()) & (set(codec.control.values()) - {codec.mask})
    hidden = np.stack([each.weights > 0 for each in many])[:, document.token_columns[PART] != FRAME]
    assert hidden.mean(0) == pytest.approx(0.5, abs=0.15)


def batches(codec: Codec, documents: Any, position: Position = START, seed: int = 0) -> list[Any]:
    order = Order(batch_size=3, seed=seed, epochs=9, steps=12)
    return list(masked.batches(None, documents, masked.Settings(), order, position, given=Given(lambda: codec)))


def test_masks_are_drawn_anew_each_time_and_found_again_from_any_position(codec):
    documents = flat(list(SENTENCES), codec)
    whole = batches(codec, documents)
    seen: dict[int, set[bytes]] = {}
    for batch in whole:
        for document in batch.documents:
            seen.setdefault(document.example, set()).add(document.ids.tobytes())
            assert (document.targets == documents[document.example].targets).all()
    assert all(len(kinds) >= 6 for kinds in seen.values())
    for number, batch in enumerate(whole[:-1], 1):
        written = replace(batch.after, cursor=json.loads(json.dumps(batch.after.cursor)))
        again = batches(codec, documents, written)
        assert all(torch.equal(a.ids, b.ids) and torch.equal(a.weights, b.weights)
                   for a, b in zip(again, whole[number:], strict=True))
    assert not torch.equal(batches(codec, documents, seed=1)[0].ids, whole[0].ids)


def test_masks_do_not_depend_on_how_a_batch_is_cut(codec):
    batch = batches(codec, flat(list(SENTENCES), codec))[0]
    pieces = cut(batch, 40)
    assert len(pieces) > 1 and torch.equal(torch.cat([piece.ids for piece in pieces]), batch.ids)
    assert torch.equal(torch.cat([piece.weights for piece in pieces]), batch.weights)


def test_what_is_held_out_is_asked_for_the_same_tokens_in_every_run(codec):
    first, again = ([each.ids.tolist() for each in flat(texts, codec)] for texts in (TEXTS, TEXTS[::-1]))
    assert first != again and sorted(first) == sorted(again)


def test_a_long_text_goes_on_in_frames_of_its_own_and_between_words(codec):
    text = " ".join(SENTENCES * 3)
    [(made, _)] = masked.encode(examples([text]), codec, masked.Settings(), HEAD)
    assert len(made) > 2 and all(len(document) <= 64 for document in made)
    frame = [codec.control["[CLS]"], codec.control["[SEP]"]]
    assert all([*document.targets[[0, -1]]] == frame for document in made)
    assert [token for document in made for token in document.targets[1:-1].tolist()] == codec.encode(text).ids
    assert all(document.token_columns[PART][1] == masking.BEGINS for document in made)
    assert all(document.text and document.text in text for document in made)
    assert masked.proof(codec, HEAD, None).prove(made[:-1], examples([text])[0])


def test_fill_mask_says_what_transformers_pipeline_says(encoder, codec, tmp_path):
    from transformers import AutoTokenizer, pipeline

    network = load.network(bases.find(str(encoder)), dtype=torch.float32, device=CPU, head=HEAD)
    ours = LanguageModel.frozen(network, HEAD)
    theirs = pipeline("fill-mask", model=network, tokenizer=AutoTokenizer.from_pretrained(encoder), device="cpu")
    texts = ["The capital of [MASK] is Paris.", "[MASK] sold clips to [MASK] friends"]
    found = list(masked.predict(ours, examples(texts), masked.Settings(), given=Given(lambda: codec),
                                max_new_tokens=0, batch_size=1))
    wanted = [[theirs(texts[0])], theirs(texts[1])]
    for prediction, masks in zip(found, wanted, strict=True):
        assert not prediction.expected and len(prediction.output["tokens"]) == len(masks)
        said = zip(*prediction.output.values(), masks, strict=True)
        for tokens, shares, mask in said:
            assert tokens == [each["token_str"] for each in mask]
            assert shares == pytest.approx([each["score"] for each in mask], abs=1e-6)


@pytest.fixture
def make(tmp_path: Path, encoder: Path) -> Callable[..., Any]:
    (tmp_path / "texts.txt").write_text("\n".join(f"{text} {number}" for number, text in enumerate(TEXTS * 4)))

    def made(*overrides: str) -> Any:
        return parse({
            "base": {"name": str(encoder), "dtype": "float32"}, "task": "masked",
            "data": {"train": str(tmp_path / "texts.txt"), "near": None}, "adapter": "full",
            "training": {"learning_rate": 3e-3, "steps": 30, "epochs": 99, "batch_size": 8, "max_length": 64,
                         "save_every": 10},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


def kept(run: Path) -> dict[str, bytes]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {file.name: file.read_bytes() for file in [run / "records.jsonl", *newest.glob("*.safetensors")]}


def test_a_run_is_judged_against_the_strongest_that_a_base_without_a_head_offers(make):
    report = check(make())
    assert report.ok and report.supervised["by_role"].keys() == {"text"}
    done = story.train(make("training.steps=120", "training.learning_rate=1e-2"), observe=silent)
    assert done.verdict is not None
    assert (done.verdict.word, done.verdict.primary, done.verdict.against) == ("better", "loss", "unigram")
    assert list(done.verdict.baselines) == ["untrained head"]
    assert list(done.verdict.metrics) == ["loss", "perplexity", "token_accuracy"]
    assert done.verdict.metrics["token_accuracy"].tuned > 0.3
    assert any(finding.kind == "base.new_head" for finding in done.verdict.findings)
    again = story.train(make(f"base.name={done.run}", "training.steps=1"), observe=silent)
    assert again.verdict is not None and (again.verdict.against, dict(again.verdict.baselines)) == ("base", {})
    before, after = done.verdict.metrics["loss"].tuned, again.verdict.metrics["loss"].against
    assert after == pytest.approx(before, abs=1e-4)  # the run's head is the base's own now


def test_a_stopped_run_goes_on_with_the_same_masks(make):
    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and event.step == 13:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop)
    assert stopped.stopped == "signal"
    assert kept(story.resume(stopped.run, observe=silent).run) == kept(whole.run)


def test_an_encoder_that_was_adapted_is_taught_labels(make, tmp_path):
    done = story.train(make(), observe=silent)
    rows = [{"text": text, "label": "odd" if number % 2 else "even"} for number, text in enumerate(TEXTS * 3)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = make(f"base.name={done.run}", "task=classify", f"data.train={tmp_path}/labels.jsonl", "training.steps=2",
                  "data.too_long=cut")
    two = Head("sequence", ("even", "odd"), "single")
    base = load.network(bases.of_recipe(labels), dtype=torch.float32, device=CPU, head=two)
    tuned = predictor.open(str(done.run)).model.network
    for name, weight in base.base_model.named_parameters():
        if "pooler" not in name:
            torch.testing.assert_close(weight, dict(tuned.base_model.named_parameters())[name])
    assert story.train(labels, observe=silent).verdict is not None


@pytest.mark.parametrize("adapter", [full, lora])
def test_new_pieces_learn_under_masks_with_any_adapter(encoder, codec, adapter):
    from tunesmith.encoding.tokens.vocabulary import learn
    from tunesmith.models.rows import WEIGHT

    base = bases.find(str(encoder))
    grown = replace(base, added=(learn(load.tokenizer(base).backend_tokenizer.to_str(), AZERBAIJANI * 5, tokens=60,
                                       at_least=5),))
    pieces = build(load.tokenizer(grown), longest=64)
    network = load.network(grown, dtype=torch.float64, device=CPU, head=HEAD)
    found = {}
    for own in (adapter, full):
        options = {"targets": ["query"]} if own is lora else {}
        ours = LanguageModel(load.network(grown, dtype=torch.float64, device=CPU, head=HEAD), own,
                             own.Settings(**options), seed=0, head=HEAD)
        batch = pack([replace(each, example=place) for place, each in enumerate(flat(list(AZERBAIJANI), pieces))])
        masked.loss(ours, batch, masked.Settings()).terms.sum().backward()
        weight = ours.network.get_input_embeddings().weight
        learnt = next((each for name, each in ours.learns.items() if WEIGHT in name), None)
        found[own] = weight.grad[codec.vocabulary:] if learnt is None else learnt.grad
    assert network.get_input_embeddings().num_embeddings == codec.vocabulary + 60
    torch.testing.assert_close(found[adapter], found[full], rtol=0, atol=1e-10)


def test_a_base_that_cannot_hide_is_refused_with_what_to_use(make, tmp_path):
    with pytest.raises((Problem, Problems), match="no model in transformers"):
        story.train(make(f"base.name={tiny_base(tmp_path / 'llama')}"), observe=silent)

