"""Runs that leave in 8 and in 4 bits: what transformers opens is smaller by as much as it should be, and measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from runs_of import labelled, run_on
from tiny import tiny_base, tiny_encoder, tiny_t5
from tunesmith.cli import main
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.exports import quantized
from tunesmith.workflow.exporting.export import export

pytest.importorskip("bitsandbytes", reason="pip install 'tunesmith[quantized]'")

HIDDEN, INNER = 64, 128
QUANTISED = 2 * (2 * HIDDEN * HIDDEN + 2 * HIDDEN * HIDDEN // 2 + 3 * HIDDEN * INNER)  # numbers, of two Llama layers


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    base = tiny_base(folder / "base", hidden_size=HIDDEN, intermediate_size=INNER)
    return run_on(base, folder / "run", "training.steps=30", adapter={"type": "full"})


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the folder's weights."""
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(("kind", "bytes_each"), [("int8", 1), ("nf4", 0.5)])
def test_the_layers_take_as_many_bits_as_was_asked_for_and_transformers_opens_them(run, kind, bytes_each, tmp_path):
    done = export(run, "quantized", options=[f"kind={kind}", "worst=5"], output=tmp_path / "out")
    layers = {name: each for name, each in stored(tmp_path / "out").items()
              if name.endswith("proj.weight")}
    assert len(layers) == 14 and {each.dtype for each in layers.values()} == {
        torch.int8 if kind == "int8" else torch.uint8}
    assert sum(each.numel() for each in layers.values()) == QUANTISED * bytes_each
    assert done.parity["weights"] == kind and done.parity["cost"]["primary"] == "loss"
    assert done.parity["size"]["export_bytes"] >= sum(path.stat().st_size for path in (tmp_path / "out").glob("model*"))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    asked = AutoTokenizer.from_pretrained(tmp_path / "out")("How many hats", return_tensors="pt")
    assert network.generate(**asked, max_new_tokens=3, do_sample=False).shape[1] > asked["input_ids"].shape[1]


def test_what_was_lost_stands_in_the_order_of_the_bits(run, tmp_path):
    lost = {}
    for kind in ("int8", "nf4"):
        done = export(run, "quantized", options=[f"kind={kind}", "worst=5"], output=tmp_path / kind)
        lost[kind] = done.parity["answers"]["largest_difference"]
        assert json.loads((tmp_path / kind / "verdict.json").read_text())["against"] == "run"
    assert 0 < lost["int8"] < lost["nf4"]


def test_heads_embeddings_and_norms_stay_whole(tmp_path):
    run = run_on(tiny_encoder(tmp_path / "base", hidden_size=HIDDEN, intermediate_size=INNER), tmp_path / "run",
                 task="classify", data={"train": str(labelled(tmp_path)), "test": 0.3}, adapter={"type": "full"})
    done = export(run, "quantized", options=["kind=nf4", "worst=1"])
    tensors = stored(done.folder)
    for name, tensor in tensors.items():
        whole = name.startswith("classifier.") or "embeddings" in name or "LayerNorm" in name
        assert not whole or tensor.dtype == torch.float32, name
    assert tensors["bert.encoder.layer.0.attention.self.query.weight"].dtype == torch.uint8
    assert done.parity["cost"]["primary"] == "accuracy"


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_what_is_not_quantised_may_be_in_16_bits_of_a_base_in_32(kind, tmp_path):
    run = run_on(tiny_encoder(tmp_path / "base", hidden_size=HIDDEN, intermediate_size=INNER), tmp_path / "run",
                 task="embed", adapter={"type": "full"})
    done = export(run, "quantized", options=[f"kind={kind}", "dtype=bfloat16", "worst=1"])
    assert stored(done.folder)["embeddings.word_embeddings.weight"].dtype == torch.bfloat16
    from transformers import AutoModel

    opened = AutoModel.from_pretrained(done.folder)
    assert opened(input_ids=torch.tensor([[2, 7, 8, 3]])).last_hidden_state.isfinite().all()


def test_a_network_of_two_texts_keeps_its_beams(tmp_path):
    base = tiny_t5(tmp_path / "base", d_model=64, d_kv=16, d_ff=64)
    run = run_on(base, tmp_path / "run", task="seq2seq", adapter={"type": "full"})
    done = export(run, "quantized", options=["worst=5"])
    own = json.loads((run / "verdict.json").read_text())
    assert done.parity["cost"]["metrics"].keys() == own["metrics"].keys()


def test_a_damaged_layer_is_refused_and_nothing_is_left_but_why(run, monkeypatch, tmp_path, capsys):
    reload = quantized.reload

    def damaged(folder, source):
        file = folder / "model.safetensors"
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata()
        tensors = load_file(file)
        name = "model.layers.1.mlp.down_proj.weight"
        tensors[name] = torch.zeros_like(tensors[name])
        own = "model.layers.1.self_attn.o_proj.weight"
        tensors[own] = torch.zeros_like(tensors[own])
        save_file(tensors, file, metadata=metadata)
        return reload(folder, source)

    monkeypatch.setattr(quantized, "reload", damaged)
    assert main(["export", str(run), "quantized", "--output", str(tmp_path / "out")]) == 3
    assert "export is worse than the run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_of_the_runs_own_weights_is_left_beside_the_quantised(run, tmp_path):
    done = export(run, "quantized", options=["worst=5"], output=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*done.files}
    assert "whole" not in {path.name for path in (tmp_path / "out").rglob("*")}


def test_missing_bitsandbytes_is_told_before_anything_is_computed(run, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(quantized, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    with pytest.raises(Misuse) as raised:
        export(run, "quantized")
    assert "pip install 'tunesmith[quantized]'" in raised.value.remedy


def test_sizes_that_bitsandbytes_does_not_compute_with_are_refused_before_anything_is_written(tmp_path, capsys):
    run = run_on(tiny_base(tmp_path / "base"), tmp_path / "run")
    assert main(["export", str(run), "quantized", "kind=nf4"]) == 2
    assert "leads from 32 numbers to 32" in capsys.readouterr().err and not (run / "exports" / "quantized").exists()


def test_a_mistyped_kind_is_told_with_those_that_there_are(run):
    with pytest.raises((Misuse, Problems, Refusal), match="int8"):
        export(run, "quantized", options=["kind=int4"])
