"""Files of strangers: what each changes in a folder that holds a good base. Their canary is the file `CANARY` there."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CANARY = "canary"
Change = Callable[[Path], object]


def code(folder: Path) -> str:
    """A program that would leave the canary."""
    return f"open({str(folder / CANARY)!r}, 'w').close()\nclass Evil: pass\n"


def keys(file: str, **values: Any) -> Change:
    """A JSON file of the base with these values in it."""

    def change(folder: Path) -> None:
        for name in ("modeling_evil.py", "tokenization_evil.py", "evil.py"):
            (folder / name).write_text(code(folder))
        path = folder / file
        held = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(held | values))

    return change


def config(**values: Any) -> Change:
    return keys("config.json", **values)


def tokens(**values: Any) -> Change:
    return keys("tokenizer_config.json", **values)


def written(name: str, content: bytes | str) -> Change:
    """A file of the base put there, or in the place of one."""

    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        data = content.replace("FOLDER", str(folder)) if isinstance(content, str) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return change


def linked(name: str, target: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def piped(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def generates(folder: Path) -> None:
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(code(folder) + "def generate(**k): pass\n")


def a_second_base(folder: Path) -> None:
    """An adapter's configuration, by which transformers would open another folder."""
    other = folder.with_name(folder.name + "-other")
    other.mkdir()
    (other / "config.json").write_text((folder / "config.json").read_text())
    (other / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    keys("adapter_config.json", peft_type="LORA", r=2, base_model_name_or_path=str(other), target_modules=["q_proj"],
         task_type="CAUSAL_LM")(folder)
    (folder / "adapter_model.bin").write_bytes(pickled(folder))


EVIL = "modeling_evil.Evil"
CONFIGS: dict[str, Change] = {
    "auto_map": config(auto_map={"AutoConfig": EVIL, "AutoModelForCausalLM": EVIL}),
    "auto_map from the Hub": config(auto_map={"AutoModelForCausalLM": "someone/evil--modeling_evil.Evil"}),
    "auto_map of the tokenizer": tokens(auto_map={"AutoTokenizer": ["tokenization_evil.Evil", None]}),
    "auto_map inside": config(text_config={"auto_map": {"AutoModel": EVIL}}),
    "auto_map of generation": keys("generation_config.json", auto_map={"x": EVIL}),
    "auto_map of a processor": keys("processor_config.json", auto_map={"AutoProcessor": EVIL}),
    "trust_remote_code": config(trust_remote_code=True),
    "trust_remote_code inside": config(a=[{"b": {"trust_remote_code": True}}]),
    "_attn_implementation_internal": config(_attn_implementation_internal="someone/evil"),
    "_experts_implementation_internal": config(_experts_implementation_internal="someone/evil"),
    "attn_implementation names kernels": config(attn_implementation="kernels-community/evil"),
    "_attn_implementation names kernels": config(_attn_implementation="someone/evil:kernel"),
    "attn_implementation by part": config(attn_implementation={"": "someone/evil"}),
    "use_kernels": config(use_kernels=True, kernel_config={"RMSNorm": "someone/evil:RMSNorm"}),
    "custom_pipelines": config(custom_pipelines={"text-generation": {"impl": "evil.Evil", "pt": ["Evil"]}}),
    "custom_generate": generates,
    "an adapter beside": a_second_base,
    "tokenizer_class of a file": tokens(tokenizer_class="tokenization_evil.Evil"),
    "tokenizer_class by its path": tokens(tokenizer_class="/tmp/evil.py"),
    "tokenizer_class of the Hub": tokens(tokenizer_class="someone/evil--tokenization_evil.Evil"),
    "processor_class": tokens(processor_class="tokenization_evil.Evil"),
    "fast_tokenizer_files": tokens(fast_tokenizer_files=["../../tokenizer.9.0.json"]),
    "vocab_file": tokens(vocab_file="/etc/passwd", merges_file="/etc/passwd", tokenizer_file="/etc/passwd"),
    "name_or_path": tokens(name_or_path="someone/evil"),
    "model_type of a path": config(model_type="../../evil"),
    "model_type unknown": config(model_type="evil"),
    "model_type a number": config(model_type=7),
    "architectures of code": config(architectures=["__import__('os').system('touch x')"]),
    "architectures a text": config(architectures="evil"),
    "a billion layers": config(num_hidden_layers=10**9),
    "no layers": config(num_hidden_layers=-1),
    "layers a text": config(num_hidden_layers="two"),
    "a billion wide": config(hidden_size=10**9),
    "a huge vocabulary": config(vocab_size=10**14),
    "a huge context": config(max_position_embeddings=10**18),
    "no heads": config(num_attention_heads=0),
    "a head too many": config(num_attention_heads=5),
    "a strange rotation": config(rope_parameters={"rope_type": "evil", "rope_theta": "x"}),
    "rotation a number": config(rope_scaling=3, rope_theta=None),
    "a strange activation": config(hidden_act="__import__"),
    "a strange dtype": config(dtype="__builtins__"),
    "quantised by a stranger": config(quantization_config={"quant_method": "evil"}),
    "ids below zero": config(eos_token_id=-5, bos_token_id=10**12, pad_token_id=[1]),
    "ids a text": keys("generation_config.json", eos_token_id="x"),
    "config a list": written("config.json", b"[]"),
    "config a number": written("config.json", b"7"),
    "config empty": written("config.json", b""),
    "config of a million brackets": written("config.json", b"[" * 10**6),
    "config with NUL": written("config.json", b'{"model_type": "llama\\u0000"}'),
    "config in UTF-16": written("config.json", '{"model_type": "llama"}'.encode("utf-16")),
    "tokenizer config a list": written("tokenizer_config.json", b"[]"),
    "tokenizer a list": written("tokenizer.json", b"[]"),
    "tokenizer cut short": written("tokenizer.json", b'{"version": "1.0", "model": {'),
    "tokenizer of another kind": written("tokenizer.json", b'{"version": "1.0", "model": {"type": "Evil"}}'),
    "config a pipe": piped("config.json"),
    "weights a pipe": piped("model.safetensors"),
    "tokenizer a pipe": piped("tokenizer.json"),
    "template a pipe": piped("chat_template.jinja"),
    "config linked to itself": linked("config.json", "config.json"),
    "weights linked to nowhere": linked("model.safetensors", "nowhere"),
    "weights linked to a device": linked("model.safetensors", "/dev/zero"),
    "config linked to a device": linked("config.json", "/dev/zero"),
    "config a folder": both(lambda folder: (folder / "config.json").unlink(),
                            lambda folder: (folder / "config.json").mkdir()),
}


def pickled(folder: Path) -> bytes:
    """A pickle that would leave the canary, were it opened."""
    return b"cos\nsystem\n(S'touch " + str(folder / CANARY).encode() + b"'\ntR."


def zipped(folder: Path) -> bytes:
    """The same as torch writes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("archive/data.pkl", pickled(folder))
        file.writestr("archive/version", "3\n")
    return made.getvalue()


def array(folder: Path) -> bytes:
    """The same as an array of objects."""
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + pickled(folder)


def framed(folder: Path) -> bytes:
    """The same by a later protocol."""
    return b"\x80\x04" + pickled(folder)


def instead(name: str, make: Callable[[Path], bytes] = pickled) -> Change:
    """A pickle in the place of the weights."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(make(folder))

    return change


def beside(name: str, make: Callable[[Path], bytes] = pickled) -> Change:
    """A pickle among the files of a base, or in the place of one of them."""
    return lambda folder: (folder / name).write_bytes(make(folder))


MAKERS = (pickled, framed, zipped, array)
PICKLES: dict[str, Change] = {
    **{f"weights {name}": instead(name) for name in (
        "pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "model.npy", "model.pickle",
        "model.joblib", "model.msgpack")},
    **{f"{make.__name__} as safetensors": instead("model.safetensors", make) for make in MAKERS},
    **{f"{make.__name__} as another shard": beside("model-00002.safetensors", make) for make in MAKERS},
    **{f"beside: {name}": beside(name) for name in (
        "training_args.bin", "rng_state.pth", "optimizer.pt", "scheduler.pt", "adapter_model.bin", "pytorch_model.bin",
        "vocab.pkl", "tokenizer.model", "vocab.npy")},
    **{f"as {name}": beside(name) for name in (
        "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json",
        "added_tokens.json", "chat_template.jinja", "model.safetensors.index.json")},
    "an index of pickles": written("model.safetensors.index.json", b'{"weight_map": {"a": "pytorch_model.bin"}}'),
}
AS_A_FILE = {
    **{f"base{suffix}": pickled for suffix in (".bin", ".pt", ".pkl", ".npy", ".gguf", ".safetensors", ".ckpt", "")},
    "zip.bin": zipped, "zip.gguf": zipped, "array.npy": array,
}
AS_DATA = {
    **{f"rows{suffix}": pickled for suffix in (
        ".pkl", ".pt", ".bin", ".npy", ".npz", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".md", ".parquet", ".xlsx",
        ".arrow", ".jsonl.gz")},
    "array.npy": array, "array.jsonl": array, "zip.pt": zipped, "zip.jsonl": zipped, "zip.xlsx": zipped,
    "packed.jsonl.gz": lambda folder: gzip.compress(framed(folder)), "framed.parquet": framed,
}
