"""Runs that leave smaller: what is taken out is the least, what is left is as large as computed, and what it cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from runs_of import labelled, run_on
from tiny import tiny_base, tiny_encoder, tiny_network, tiny_t5
from tunesmith.cli import main
from tunesmith.errors import Misuse, Problems
from tunesmith.exports import _effect, _pruning
from tunesmith.exports._recovery import parted
from tunesmith.records import Document
from tunesmith.workflow.exporting.export import export

IDS = torch.arange(3, 40)[None]


def said(network) -> torch.Tensor:
    """What a network says of some ids."""
    with torch.inference_mode():
        return network(input_ids=IDS).logits.double()


def encoder(folder: Path):
    """A tiny BERT with a head, as transformers opens it."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(tiny_encoder(folder)).eval()


def document(ids) -> Document:
    import numpy as np

    ids = np.asarray(ids, np.int64)
    return Document(ids, ids, np.ones(len(ids), np.float32), 0)


@torch.no_grad()
def test_taking_out_heads_that_are_zero_changes_nothing_that_is_said():
    network = tiny_network(num_attention_heads=8, num_key_value_heads=4)
    for layer in network.model.layers:
        attention = layer.self_attn
        attention.o_proj.weight[:, 8:16] = 0  # two heads of four numbers each, which share the second key
    small = _pruning.smaller(network, _pruning.sizes(network, 0.25, 0.0, 0), [])
    assert (small.config.num_attention_heads, small.config.num_key_value_heads, small.config.head_dim) == (6, 3, 4)
    assert small.model.layers[0].self_attn.q_proj.weight.shape == (24, 32)
    torch.testing.assert_close(said(small), said(network), atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("zeroed", ["gate_proj", "up_proj", "down_proj"])
def test_taking_out_rows_of_the_mlp_that_are_zero_changes_nothing_that_is_said(zeroed):
    network = tiny_network()
    gone = torch.randperm(64, generator=torch.Generator().manual_seed(1))[:16]
    for layer in network.model.layers:
        weight = vars(layer.mlp)["_modules"][zeroed].weight
        if zeroed == "down_proj":
            weight[:, gone] = 0
        else:
            weight[gone] = 0
    small = _pruning.smaller(network, _pruning.sizes(network, 0.0, 0.25, 0), [])
    assert small.config.intermediate_size == 48
    torch.testing.assert_close(said(small), said(network), atol=1e-6, rtol=0)


@torch.no_grad()
def test_an_encoders_rows_are_taken_out_with_their_biases(tmp_path):
    network = encoder(tmp_path)
    for layer in network.bert.encoder.layer:
        layer.output.dense.weight[:, 5:21] = 0
    small = _pruning.smaller(network, _pruning.sizes(network, 0.0, 0.25, 0), [])
    assert small.bert.encoder.layer[1].intermediate.dense.bias.shape == (48,)
    torch.testing.assert_close(said(small), said(network), atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_layer_that_does_nothing_is_found_and_costs_nothing():
    network = tiny_network(num_hidden_layers=5)
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        network.model.layers[3].get_submodule(name).weight.zero_()
    angles = _effect.distances(network, [document(range(3, 30)), document(range(40, 60))])
    assert angles[3] < 1e-6 and min(angles[:3]) > 1e-3 and _effect.least(angles, 1) == [3]
    small = _pruning.smaller(network, _pruning.sizes(network, 0.0, 0.0, 1), [3])
    assert small.config.num_hidden_layers == len(small.model.layers) == 4
    torch.testing.assert_close(said(small), said(network), atol=1e-6, rtol=0)


@torch.no_grad()
def test_layers_leave_a_family_of_which_nothing_else_can():
    from transformers import GPT2Config, GPT2LMHeadModel

    network = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=64, vocab_size=100)).eval()
    for name in ("attn.c_proj", "mlp.c_proj"):
        for weight in network.transformer.h[1].get_submodule(name).parameters():
            weight.zero_()
    assert _effect.least(_effect.distances(network, [document(range(3, 30))]), 1) == [1]
    small = _pruning.smaller(network, _pruning.sizes(network, 0.0, 0.0, 1), [1])
    assert small.config.n_layer == len(small.transformer.h) == 2
    torch.testing.assert_close(said(small), said(network), atol=1e-6, rtol=0)
    with pytest.raises(Misuse, match="`gpt2` has no place"):
        _pruning.sizes(network, 0.0, 0.2, 0)


@torch.no_grad()
def test_the_angle_is_that_between_what_comes_into_a_layer_and_what_leaves_it():
    network = tiny_network(num_hidden_layers=3)
    with torch.inference_mode():
        states = network(input_ids=IDS, output_hidden_states=True).hidden_states
    wanted = [torch.arccos(torch.nn.functional.cosine_similarity(states[n].double(), states[n + 1].double(), dim=-1))
              .mean().item() / torch.pi for n in range(2)]  # the last state is normed once more
    assert _effect.distances(network, [document(IDS[0])])[:2] == pytest.approx(wanted, abs=1e-6)


def test_least_layers_are_told_in_their_order():
    assert _effect.least([0.5, 0.1, 0.4, 0.2], 2) == [1, 3]


def test_rows_that_measure_are_not_those_that_teach():
    rows = [Document(document([1]).ids, document([1]).ids, document([1]).weights, number // 2) for number in range(80)]
    aside, others = parted(rows, 8)
    assert {each.example for each in aside}.isdisjoint(each.example for each in others)
    assert len(aside) + len(others) == 80 and len({each.example for each in aside}) == 8


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pruned")
    return run_on(tiny_base(folder / "base", num_hidden_layers=4), folder / "run", "training.steps=40",
                  adapter={"type": "full"})


def test_what_is_written_opens_in_transformers_with_the_sizes_that_were_computed(run, tmp_path):
    done = export(run, "pruned", options=["mlp=0.25", "heads=0.5", "layers=1", "steps=4", "worst=50"],
                  output=tmp_path / "out")
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    config = network.config
    assert (config.num_hidden_layers, config.intermediate_size, config.num_key_value_heads) == (3, 48, 1)
    whole = AutoModelForCausalLM.from_pretrained(run.parents[2] / "base")
    layer = 3 * 32 * 48 + 32 * 8 * (2 + 2 + 1 + 1) + 64
    assert network.num_parameters() == whole.num_parameters() - sum(
        each.numel() for each in whole.model.layers.parameters()) + 3 * layer
    told = json.loads((tmp_path / "out" / "config.json").read_text())["pruned"]
    assert told["mlp"] == [48, 64] and told["heads"] == [2, 4] and told["layers"] == [3, 4] and told["steps"] == 4
    assert len(told["angles"]) == 4 and told["dropped"] == _effect.least(told["angles"], 1)
    assert done.parity["cost"]["verdict"] == "worse"


def test_the_training_after_it_wins_back_what_was_lost(run, tmp_path):
    found = {steps: export(run, "pruned", options=["mlp=0.5", f"steps={steps}", "worst=50"],
                           output=tmp_path / str(steps)).parity["cost"]["metrics"]["loss"]["tuned"]
             for steps in (0, 60)}
    assert found[60] < found[0]
    losses = json.loads((tmp_path / "60" / "config.json").read_text())["pruned"]["losses"]
    assert losses[1] < losses[0]


def test_a_run_that_loses_its_head_is_refused_and_nothing_is_left_but_why(run, tmp_path, capsys):
    words = ["mlp=0.9", "layers=3", "steps=0", "worst=0.01"]
    assert main(["export", str(run), "pruned", *words, "--output", str(tmp_path / "out")]) == 3
    assert "export is worse than the run" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_an_encoder_with_a_head_leaves_smaller_and_is_measured_by_its_own_metric(tmp_path):
    run = run_on(tiny_encoder(tmp_path / "base", num_hidden_layers=3), tmp_path / "run", "training.steps=10",
                 task="classify", data={"train": str(labelled(tmp_path)), "test": 0.3}, adapter={"type": "full"})
    done = export(run, "pruned", options=["mlp=0.25", "layers=1", "steps=3", "worst=1"])
    assert done.parity["cost"]["primary"] == "accuracy"
    tensors = load_file(done.folder / "model.safetensors")
    assert tensors["bert.encoder.layer.1.intermediate.dense.weight"].shape == (48, 32)
    assert not any(name.startswith("bert.encoder.layer.2.") for name in tensors)


@pytest.mark.parametrize(("words", "told"), [
    (["mlp=0"], "nothing is to be taken out"), (["layers=4"], "the network has 4"), (["heads=0.2"], "is less than"),
    (["mlp=1"], "mlp"),
])
def test_what_cannot_be_taken_out_is_told_before_anything_is_computed(run, words, told, capsys):
    assert main(["export", str(run), "pruned", *words]) == 2
    assert told in capsys.readouterr().err


def test_families_that_cannot_say_fewer_heads_are_refused_by_name(tmp_path):
    run = run_on(tiny_encoder(tmp_path / "base"), tmp_path / "run", task="embed", adapter={"type": "full"})
    with pytest.raises((Misuse, Problems), match="`bert` has no place in its configuration for fewer heads"):
        export(run, "pruned", options=["heads=0.25"])
    two = run_on(tiny_t5(tmp_path / "t5"), tmp_path / "two", task="seq2seq", adapter={"type": "full"})
    with pytest.raises((Misuse, Problems), match="two stacks"):
        export(two, "pruned")
