"""A run as one GGUF file: what llama.cpp and transformers make of it, and what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from leaving import FAMILIES, base_of, source_of
from runs_of import run_on
from tiny import tiny_base, tiny_encoder
from tunesmith import cli
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.exports import _gguf_opened, _gguf_words, gguf
from tunesmith.models import bases
from tunesmith.models.model import LanguageModel
from tunesmith.workflow.exporting.export import export

pytest.importorskip("gguf")
PROMPT = [1, 87, 85, 273, 201, 42, 81, 89, 223, 79, 259]
KINDS = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
llama_cpp = pytest.mark.skipif(not _gguf_opened.has_llama_cpp(), reason="llama.cpp (xllamacpp) is not installed")


def written(source, folder: Path, **settings) -> LanguageModel:
    """The model as it is meant, once its file is written."""
    folder.mkdir(parents=True)
    chosen = gguf.Settings(**settings)
    gguf.refuse(source, chosen)
    model = gguf.meant(source, chosen)
    gguf.write(model, source, folder, chosen)
    return model


def said(model: LanguageModel, ids: list[int], start: int) -> np.ndarray:
    """The network's own log-probabilities, in float64 from its logits."""
    with torch.inference_mode():
        logits = model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, start - 1 : -1]
    return logits.double().log_softmax(-1).gather(1, torch.tensor(ids[start:])[:, None])[:, 0].numpy()


def greedy(model: LanguageModel, prompt: list[int], length: int) -> list[int]:
    ids = list(prompt)
    with torch.inference_mode():
        while len(ids) < len(prompt) + length and ids[-1] != 2:
            ids.append(int(model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@llama_cpp
@pytest.mark.parametrize("name", FAMILIES)
def test_llama_cpp_says_of_every_family_what_the_network_says(name, tmp_path):
    source = source_of(base_of(name, tmp_path / "base"))
    model = written(source, tmp_path / "out", type="f32")
    opened = _gguf_opened.open_file(tmp_path / "out", 512)
    [(_, answer)] = opened.answer([PROMPT], [24])
    assert list(answer) == greedy(model, PROMPT, 24)
    ids = PROMPT * 4 + [5, 300, 7]  # longer than the windows that Gemma's layers look back
    np.testing.assert_allclose(opened.score(ids, 3).given, said(model, ids, 3), rtol=0, atol=opened.tolerance)
    assert opened.tolerance <= (0.02 if name.startswith("Gemma") else 1e-3)


@pytest.mark.parametrize("name", [name for name in FAMILIES if FAMILIES[name][2]])
def test_transformers_says_of_a_family_that_it_reads_what_the_network_says(name, tmp_path, monkeypatch):
    monkeypatch.setattr(_gguf_opened, "has_llama_cpp", lambda: False)
    source = source_of(base_of(name, tmp_path / "base"))
    model = written(source, tmp_path / "out", type="f16")
    opened = _gguf_opened.open_file(tmp_path / "out", 512)
    ids = PROMPT * 4
    np.testing.assert_allclose(opened.score(ids, 3).given, said(model, ids, 3), rtol=0, atol=1e-4)
    # transformers' Gemma has a mask of its own where a vocabulary, as this one, has none
    assert source.codec.words().items() == opened.vocabulary.items() - {("<mask>", 320)}
    assert opened.stop == source.codec.stop


@pytest.mark.parametrize("name", [name for name in FAMILIES if not FAMILIES[name][2]])
def test_what_transformers_would_misread_needs_llama_cpp_and_says_so(name, tmp_path, monkeypatch):
    monkeypatch.setattr(_gguf_opened, "has_llama_cpp", lambda: False)
    with pytest.raises(Misuse, match="transformers does not read") as raised:
        gguf.refuse(source_of(base_of(name, tmp_path / "base")), gguf.Settings())
    assert "pip install xllamacpp" in raised.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_holds_the_numbers_that_were_meant_bit_by_bit(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(_gguf_opened, "has_llama_cpp", lambda: False)
    source = source_of(base_of("Llama", tmp_path / "base"))
    model = written(source, tmp_path / "out", type=kind)
    network = _gguf_opened.open_file(tmp_path / "out", 512)._opened.network
    held = network.state_dict()
    for name, weight in model.network.state_dict().items():
        torch.testing.assert_close(held[name], weight, rtol=0, atol=0, msg=name)
    whole = source.merged().state_dict()["model.layers.0.mlp.up_proj.weight"]
    changed = (held["model.layers.0.mlp.up_proj.weight"] - whole).abs().max()
    assert changed <= {"f32": 0, "f16": 1e-3, "bf16": 4e-3, "q8_0": 5e-3}.get(kind, 0.1)
    assert (changed > 0) == (kind != "f32")


def test_the_embedding_keeps_8_bits_where_layers_have_4_and_norms_keep_32(tmp_path):
    from gguf import GGUFReader

    written(source_of(base_of("Llama", tmp_path / "base")), tmp_path / "out", type="q4_0")
    [file] = (tmp_path / "out").glob("*.gguf")
    kinds = {each.name: each.tensor_type.name for each in GGUFReader(file).tensors}
    assert kinds["token_embd.weight"] == kinds["output.weight"] == "Q8_0"
    assert kinds["blk.0.attn_q.weight"] == "Q4_0" and kinds["blk.0.attn_norm.weight"] == "F32"


def test_a_weight_that_float16_cannot_hold_is_refused_with_the_type_that_can(tmp_path):
    source = source_of(base_of("Llama", tmp_path / "base"))
    network = source.merged()
    network.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e5
    source.merged = lambda: network
    with pytest.raises(Refusal, match="larger than `f16` can hold") as raised:
        gguf.meant(source, gguf.Settings())
    assert raised.value.remedy == "use `type=bf16`"
    assert gguf.meant(source, gguf.Settings(type="bf16")) is not None


OTHERWISE = {
    "its activation": ("Llama", {"hidden_act": "gelu"}),
    "scaled by `dynamic`": ("Llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}),
    "look back a fixed number": ("Qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
    "not every 6th": ("Gemma 3", {"layer_types": ["full_attention"] * 7}),
    "divides by the root of 99": ("Gemma 2", {"query_pre_attn_scalar": 99}),
}


@pytest.mark.parametrize("words", OTHERWISE)
def test_what_llama_cpp_would_compute_otherwise_is_refused_by_name(words, tmp_path):
    name, changes = OTHERWISE[words]
    with pytest.raises(Misuse, match=words) as raised:
        gguf.refuse(source_of(base_of(name, tmp_path / "base", **changes)), gguf.Settings())
    assert "tunesmith export RUN merged" in raised.value.remedy


def test_another_family_is_refused_by_name_with_those_that_leave(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    from tiny import tiny_tokenizer

    words = tiny_tokenizer()
    GPT2LMHeadModel(GPT2Config(vocab_size=len(words), n_embd=32, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    with pytest.raises(Misuse, match="`gpt2` does not leave as GGUF") as raised:
        gguf.refuse(source_of(tmp_path), gguf.Settings())
    assert "llama, qwen2, qwen3, phi3, gemma, gemma2, gemma3_text" in raised.value.what


def test_an_option_that_a_type_has_no_use_for_is_refused(tmp_path):
    with pytest.raises(Misuse, match="`type=f16` loses nothing"):
        gguf.refuse(source_of(tiny_base(tmp_path)), gguf.Settings(worst=0.5))


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(Misuse) as raised:
        gguf.refuse(source_of(tiny_base(tmp_path)), gguf.Settings())
    assert raised.value.remedy == "pip install 'tunesmith[gguf]'" and raised.value.exit_code == 2


# Runs: taken out whole, by the command line


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hats")
    return run_on(tiny_base(folder / "base"), folder)


@llama_cpp
def test_a_run_leaves_and_llama_cpp_answers_as_it_did(run, tmp_path, capsys):
    assert cli.main(["export", str(run), "gguf", "type=f32", "--output", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parity"]["answers"]["equal"] == told["parity"]["answers"]["prompts"] == 11
    assert told["parity"]["answers"]["largest_difference"] < 1e-4
    assert [file for file in told["files"] if file.endswith("-f32.gguf")] and "Modelfile" in told["files"]
    assert "ollama create" in (tmp_path / "out" / "README.md").read_text()


def test_a_run_in_8_bits_is_given_a_verdict_and_loses_little(run, tmp_path):
    done = export(run, "gguf", options=["type=q8_0"], output=tmp_path / "out")
    assert done.parity["weights"] == "q8_0" and done.parity["cost"]["primary"] == "loss"
    assert abs(done.parity["cost"]["metrics"]["loss"]["difference"]) < 0.05
    assert done.parity["size"]["export_bytes"] > 0 and (tmp_path / "out" / "verdict.json").is_file()


def test_a_loss_above_what_is_allowed_is_refused_and_nothing_is_left(run, tmp_path):
    with pytest.raises(Refusal, match="worse than the run"):
        export(run, "gguf", options=["type=q4_0", "worst=0"], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["a weight", "a word", "the end", "cut"])
def test_a_damaged_file_is_refused(run, tmp_path, monkeypatch, damage):
    reload = gguf.reload

    def damaged(folder: Path, source):
        [file] = folder.glob("*.gguf")
        content = bytearray(file.read_bytes())
        if damage == "a weight":
            content[-4000:] = bytes(4000)
        elif damage == "a word":
            content = content.replace(b"<|im_end|>", b"<|im_mid|>")
        elif damage == "the end":
            place = content.index(b"tokenizer.ggml.eos_token_id") + len(b"tokenizer.ggml.eos_token_id") + 4
            content[place] = 7
        else:
            content = content[:-100]
        file.write_bytes(content)
        return reload(folder, source)

    monkeypatch.setattr(gguf, "reload", damaged)
    with pytest.raises((Refusal, Problems)) as raised:
        export(run, "gguf", options=["type=f32"], output=tmp_path / "out", prompts=3)
    assert raised.value.exit_code == 3 and not (tmp_path / "out").exists()


@llama_cpp
def test_a_file_that_ends_llama_cpp_ends_no_process_of_ours(tmp_path):
    written(source_of(base_of("Llama", tmp_path / "base")), tmp_path / "out", type="f32")
    opened = _gguf_opened.open_file(tmp_path / "out", 512)
    opened._process._child.kill()
    with pytest.raises(Refusal, match=r"llama\.cpp ended while it had the file open"):
        opened.encode("hats")


@llama_cpp
def test_llama_cpp_goes_when_the_file_is_no_longer_used(tmp_path):
    written(source_of(base_of("Llama", tmp_path / "base")), tmp_path / "out", type="f32")
    opened = _gguf_opened.open_file(tmp_path / "out", 512)
    child: subprocess.Popen = opened._process._child
    del opened
    assert child.returncode is not None


@llama_cpp
def test_an_extended_vocabulary_leaves_with_its_pieces(tmp_path):
    lines = [f"Sabahınız xeyir, {n} papaq qırmızıdır, qurbağa göldədir." for n in range(60)]
    (tmp_path / "az.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    done = run_on(
        tiny_base(tmp_path / "base"), tmp_path / "run", "base.vocabulary.tokens=40", task="completion",
        data={"train": str(tmp_path / "az.jsonl"), "test": 0.2}, evaluation={"generate": 0, "max_new_tokens": 8})
    left = export(done, "gguf", options=["type=f32"], prompts=6)
    assert left.parity["vocabulary"] == 320 + 40 and left.parity["answers"]["equal"] == 6
    assert 'TEMPLATE """{{ .Prompt }}"""' in (left.folder / "Modelfile").read_text()


def test_a_network_that_reads_both_ways_is_told_what_to_use(tmp_path):
    source = source_of(tiny_base(tmp_path / "base"))
    source.base = bases.find(str(tiny_encoder(tmp_path / "encoder")))
    source.head = source.head.__class__("none")
    with pytest.raises(Misuse, match="does not leave as GGUF"):
        gguf.refuse(source, gguf.Settings())


def test_more_ends_than_a_file_can_name_are_refused(tmp_path):
    source = source_of(tiny_base(tmp_path))
    source.codec.stop = frozenset({2, 7, 8, 9})
    with pytest.raises(Misuse, match="ends its answers on 4 tokens"):
        _gguf_words.read(source, 320)
