"""Tokens that a base does not have: they get rows, only those rows learn beside the adapter, everybody opens them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny import SENTENCES, tiny_network
from tunesmith.errors import Misuse, Problems
from tunesmith.inference import predictor
from tunesmith.kernels import head
from tunesmith.kernels.cross_entropy import Shape
from tunesmith.models import bases, growth, load, rows, special_tokens, stopping
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.recipe.read import parse
from tunesmith.recipe.sections import SpecialTokens
from tunesmith.records import Batch, Message
from tunesmith.workflow.checking.check import check
from tunesmith.workflow.events import Stepped, silent
from tunesmith.workflow.tuning import train as story

CPU = torch.device("cpu")
ROWS = "token_adapter.trainable_tokens_delta"
CHATML = SpecialTokens(additional=("<|im_start|>", "<|im_end|>"))


@cache
def plain_tokenizer() -> Any:
    """A base's: it ends texts with `<|endoftext|>`, and knows neither turns nor a template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", model_max_length=512)


def plain_base(folder: Path, *, room: int = 0, **changes: Any) -> Path:
    """A base that never saw a conversation; `room`: rows of its embedding that its tokenizer has no ids for."""
    ids = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}
    network = tiny_network(vocab_size=len(plain_tokenizer()) + room, **ids, **changes)
    network.save_pretrained(folder)
    plain_tokenizer().save_pretrained(folder)
    return folder


def opened(folder: Path, adapter: Any, *, dtype: torch.dtype = torch.float64, **settings: Any) -> LanguageModel:
    base = with_chatml(folder)
    return LanguageModel(load.network(base, dtype=dtype, device=CPU), adapter, adapter.Settings(**settings), seed=0)


def with_chatml(folder: Path) -> bases.Base:
    return replace(bases.find(str(folder)), added=(CHATML,))


def batch() -> Batch:
    """One document; every third token is a new one, read and to be said."""
    ids = torch.randint(3, 300, (31,), generator=torch.Generator().manual_seed(3))
    ids[::3] = 300 + torch.arange(len(ids[::3])) % 2
    count = len(ids) - 1
    return Batch(
        ids=ids[:-1], targets=ids[1:], positions=torch.arange(count), weights=torch.ones(count),
        document_of=torch.zeros(count, dtype=torch.long), borders=(0, count), supervised=torch.arange(2, count),
        examples=torch.zeros(1, dtype=torch.long), example_ids=(0,), documents=(),
    )


def gradients(model: LanguageModel) -> dict[str, torch.Tensor]:
    model.zero()
    model.log_probabilities(batch()).mul(torch.linspace(0.5, 2, 28)).sum().backward()
    model.gradients()
    return {name: master.grad for name, master in model.learns.items()}


def disturb(model: LanguageModel) -> None:
    """As if it had been trained."""
    generator = torch.Generator().manual_seed(9)
    for master in model.learns.values():
        master.data.add_((torch.randn(master.shape, generator=generator, dtype=torch.float64) * 0.1).to(master.dtype))
    model.publish()


def logits(network: Any) -> torch.Tensor:
    with torch.no_grad():
        return network(input_ids=batch().ids[None], use_cache=False).logits[0]


def embedding(network: Any) -> torch.Tensor:
    return network.get_input_embeddings().weight.detach()


@pytest.mark.parametrize("room", [0, 1, 7], ids=["no room", "room for one", "room for all"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_new_rows_begin_as_the_mean_and_nothing_else_changes(tmp_path, tied, room):
    folder = plain_base(tmp_path / "base", room=room, tie_word_embeddings=tied)
    before = load.network(bases.find(str(folder)), dtype=torch.float32, device=CPU)
    drawn = torch.random.get_rng_state()
    after = load.network(with_chatml(folder), dtype=torch.float32, device=CPU)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    for get in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, get)().weight, getattr(after, get)().weight
        assert new.shape == (max(302, 300 + room), 32) and torch.equal(new[:300], old[:300])
        torch.testing.assert_close(new[300:302], old[:300].mean(0).expand(2, 32))
    assert after.config.vocab_size == max(302, 300 + room)
    assert list(after.state_dict()) == list(before.state_dict())


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_gradients_of_new_rows_are_those_of_the_whole_matrix(tmp_path, tied):
    folder = plain_base(tmp_path / "base", tie_word_embeddings=tied)
    found, whole = gradients(opened(folder, lora)), gradients(opened(folder, full))
    names = {"model.embed_tokens"} if tied else {"model.embed_tokens", "lm_head"}
    assert {name for name in found if "lora_" not in name} == {f"{name}.{ROWS}" for name in names}
    for name in names:
        ours, theirs = found[f"{name}.{ROWS}"], whole[f"{name}.weight"][300:]
        assert theirs.abs().max() > 0.1
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_rows_of_a_frozen_embedding_learn_while_the_rest_is_tuned(tmp_path):
    folder = plain_base(tmp_path / "base", tie_word_embeddings=False)
    found, whole = gradients(opened(folder, full, freeze="embeddings")), gradients(opened(folder, full))
    rows_name = f"model.embed_tokens.{ROWS}"
    assert set(whole) - set(found) == {"model.embed_tokens.weight"} and set(found) - set(whole) == {rows_name}
    for name, gradient in found.items():
        wanted = whole["model.embed_tokens.weight"][300:] if name == rows_name else whole[name]
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [Shape(), Shape(scale=0.3), Shape(scale=1.7, softcap=5.0)], ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_a_head_of_any_shape_sends_its_new_rows_their_gradient(shape, bias):
    torch.manual_seed(0)
    network = torch.nn.ModuleDict({"embed": torch.nn.Embedding(40, 8), "head": torch.nn.Linear(8, 40, bias=bias)})
    network.double().requires_grad_(False)
    network.get_input_embeddings, network.get_output_embeddings = lambda: network["embed"], lambda: network["head"]
    ids = torch.tensor([5, 38, 39])
    rows.mark(network["embed"], network["head"], ids)
    rows.learn(network)
    states, targets = torch.randn(20, 8, dtype=torch.float64), torch.randint(0, 40, (20,))
    targets[:5] = 38
    weight = network["head"].weight.clone().requires_grad_()
    given = {"bias_V": network["head"].bias, "shape": shape}
    head.naive_log_probabilities(states, weight, targets, **given).square().sum().backward()
    found = head.log_probabilities(states, network["head"].weight, targets, **given)
    rows.reached_by_head(network, found, states, targets, shape).square().sum().backward()
    torch.testing.assert_close(
        network["head"].token_adapter.trainable_tokens_delta.grad, weight.grad[ids], rtol=0, atol=1e-10)


def test_in_bfloat16_the_rows_gradient_is_added_up_in_float32(tmp_path):
    folder = plain_base(tmp_path / "base", tie_word_embeddings=False)
    exact, rounded = gradients(opened(folder, lora)), gradients(opened(folder, lora, dtype=torch.bfloat16))
    for name in (name for name in exact if "trainable" in name):
        assert rounded[name].dtype == torch.float32
        torch.testing.assert_close(rounded[name].double(), exact[name], rtol=0.1, atol=0.05 * exact[name].abs().max())


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_off_is_the_base_with_rows_that_know_nothing_and_merged_is_a_plain_network(tmp_path, tied):
    folder = plain_base(tmp_path / "base", tie_word_embeddings=tied)
    model = opened(folder, lora)
    base = logits(load.network(with_chatml(folder), dtype=torch.float64, device=CPU))
    assert torch.equal(logits(model.network), base)
    disturb(model)
    tuned = logits(model.network)
    assert not torch.equal(tuned[:, 300:], base[:, 300:])
    with model.untuned():
        assert torch.equal(logits(model.network), base)
    assert torch.equal(logits(model.network), tuned)
    model.adapter.merge(model.network)
    torch.testing.assert_close(logits(model.network), tuned, rtol=0, atol=1e-10)
    assert not any("token_adapter" in name for name, _ in model.network.named_modules())


def test_full_tuning_keeps_the_rows_that_it_learnt_when_it_is_merged(tmp_path):
    model = opened(plain_base(tmp_path / "base"), full)
    disturb(model)
    tuned = logits(model.network)
    model.adapter.merge(model.network)
    assert torch.equal(logits(model.network), tuned)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_peft_opens_the_adapter_from_its_folder_alone(tmp_path, tied):
    from peft import AutoPeftModelForCausalLM
    from safetensors.torch import save_file

    folder, target = plain_base(tmp_path / "base", tie_word_embeddings=tied), tmp_path / "adapter"
    model = opened(folder, lora, dtype=torch.float32)
    disturb(model)
    target.mkdir()
    save_file(model.tensors(), target / lora.weights_file, metadata={"format": "pt"})
    for name, content in lora.configuration(model.network, lora.Settings(), str(folder)).items():
        (target / name).write_text(json.dumps(content))
    base = with_chatml(folder)
    stopping.write(target, base, load.codec(base, "chatml", datetime(2026, 11, 21)), turns=True)
    theirs = AutoPeftModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    torch.testing.assert_close(logits(theirs), logits(model.network), rtol=0, atol=1e-4)
    merged = theirs.merge_and_unload()
    torch.testing.assert_close(logits(merged), logits(model.network), rtol=0, atol=1e-4)


def test_tokens_take_their_parts_and_stay_whole():
    tokenizer = copy.deepcopy(plain_tokenizer())
    special_tokens.add(tokenizer, SpecialTokens(bos="<s>", eos="</s>", pad="<pad>", additional=("<a>", "<s>")))
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (300, 301, 302)
    assert tokenizer("x<a></s>")["input_ids"][-2:] == [303, 301] and len(tokenizer) == 304
    again = copy.deepcopy(tokenizer)
    special_tokens.add(again, SpecialTokens(eos="<|endoftext|>", additional=("<a>",)))
    assert again.eos_token_id == 0 and growth.new_ids(tokenizer, again) == ()
    assert growth.new_ids(plain_tokenizer(), tokenizer) == (300, 301, 302, 303)


def test_a_beginning_that_the_tokenizer_would_not_write_is_refused():
    from tokenizers.processors import TemplateProcessing

    tokenizer = copy.deepcopy(plain_tokenizer())
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    with pytest.raises(Misuse, match=r"opens every text with `<\|endoftext\|>`"):
        special_tokens.add(tokenizer, SpecialTokens(bos="<s>"))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    lines = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    base = plain_base(tmp_path / "base")

    def made(*overrides: str) -> Any:
        return parse({
            "base": str(base), "task": "chat",
            "data": {"train": str(tmp_path / "rows.jsonl"), "template": "chatml"},
            "adapter": {"type": "lora", "rank": 4},
            "training": {"learning_rate": 1e-2, "steps": 6, "epochs": 9, "batch_size": 4, "max_length": 128,
                         "save_every": 2},
            "evaluation": {"generate": 2, "max_new_tokens": 4},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


def kept(run: Path) -> dict[str, bytes]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {file.name: file.read_bytes() for file in [run / "records.jsonl", *newest.glob("*.safetensors")]}


def test_chatml_teaches_turns_to_a_base_without_a_template(make, tmp_path):
    from safetensors.torch import load_file

    recipe = make()
    report = check(recipe)
    assert report.ok, report.findings
    told = next(finding for finding in report.findings if finding.kind == "base.new_tokens")
    assert "<|im_start|>" in told.what and "<|im_end|>" in told.what and told.severity == "note"
    done = story.train(recipe, observe=silent)
    learnt = load_file(sorted((done.run / "checkpoints").glob("step-*"))[-1] / "adapter_model.safetensors")
    new = learnt["base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"]
    mean = embedding(tiny_network(vocab_size=300)).mean(0)
    assert new.shape == (2, 32) and (new - mean).abs().max() > 0.01 and not torch.equal(new[0], new[1])
    tuned, base = predictor.open(str(done.run)), predictor.open(str(done.run), base=True)
    assert tuned.codec.end_of_turn == "<|im_end|>" and tuned.codec.stop == {0, 301}
    assert torch.equal(embedding(tuned.model.network)[:300], embedding(base.model.network)[:300])
    list(tuned.chat([Message("user", "what is 3?")], tuned.sampling))
    now = embedding(tuned.model.network)[300:]
    assert torch.equal(now, new.to(now.dtype))


def test_a_run_with_new_tokens_stopped_goes_on_bit_for_bit(make):
    import os
    import signal

    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = story.train(make(), observe=silent)
    stopped = story.train(make(), observe=stop)
    assert stopped.stopped == "signal"
    assert kept(story.resume(stopped.run, observe=silent).run) == kept(whole.run)


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_an_earlier_run_brings_its_tokens_and_takes_more(make, adapter):
    first = story.train(make(f"adapter={adapter}", "base.dtype=float32"), observe=silent)
    before = predictor.open(str(first.run))
    second = make(f"base.name={first.run}", "data.template=null", "base.special_tokens.additional=[<|more|>]")
    base = bases.of_recipe(second)
    network = load.network(base, dtype=torch.float32, device=CPU)
    torch.testing.assert_close(logits(network)[:, :302], logits(before.model.network), rtol=0, atol=1e-4)
    assert embedding(network).shape == (303, 32)
    model = LanguageModel(network, lora, lora.Settings(), seed=0)
    assert rows.configuration(model.network) == {"model.embed_tokens": [302]}
    done = story.train(second, observe=silent)
    assert predictor.open(str(done.run)).codec.vocabulary == 303


def test_eos_and_pad_are_set_for_texts_too(make, tmp_path):
    (tmp_path / "texts.txt").write_text("\n\n".join(f"The order of {n} shirts goes to Anna." for n in range(40)))
    recipe = make("task=completion", f"data.train={tmp_path}/texts.txt", "data.template=null",
                  "base.special_tokens.eos=<end>", "base.special_tokens.pad=<pad>")
    done = story.train(recipe, observe=silent)
    tuned = predictor.open(str(done.run))
    assert (tuned.codec.eos, tuned.codec.pad) == (300, 301) and 300 in tuned.codec.stop
    ids = stopping.token_ids(tuned.codec, turns=False)
    assert ids == {"eos_token_id": [300, 0], "pad_token_id": 301}


def test_a_token_with_a_blank_in_it_is_a_mistake_of_the_recipe(make):
    with pytest.raises((Misuse, Problems), match=r"special_tokens"):
        make("base.special_tokens.eos=' '")
