"""Runs whose networks read whole texts leave merged: what is opened again says what the run says, or is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from runs_of import run_on
from tiny import tiny_encoder
from tunesmith.errors import Misuse, Problems, Refusal
from tunesmith.exports import merged
from tunesmith.workflow.exporting.export import export
from tunesmith.workflow.predict import predict

ADAPTERS = ("lora", "full")
TEXTS = ("How many hats has Anna after 3?", "Anna has 5 hats.", "hat " * 200, "A hat, \u9152!")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("readings") / "base")


@pytest.fixture(scope="module")
def runs(base, tmp_path_factory) -> dict[str, Path]:
    """A run that learns vectors with each adapter, in float32."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: run_on(base, folder / name, task="embed", adapter={"type": name}) for name in ADAPTERS}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_merged_run_opens_in_sentence_transformers_with_equal_vectors(runs, adapter, tmp_path):
    from sentence_transformers import SentenceTransformer

    done = export(runs[adapter], "merged", output=tmp_path / "out")
    assert done.parity["readings"]["largest_difference"] < 1e-6
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    ours = np.array([row["vector"] for row in predict(runs[adapter], str(tmp_path / "new.jsonl"))])
    opened = SentenceTransformer(str(tmp_path / "out"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(opened.encode(list(TEXTS)), ours, atol=1e-5)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: sentence-transformers" in card and "pipeline_tag: sentence-similarity" in card


def test_the_vectors_were_learnt_and_are_not_the_bases(runs, base, tmp_path):
    from sentence_transformers import SentenceTransformer

    export(runs["lora"], "merged", output=tmp_path / "out")
    before, after = (SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(list(TEXTS[:2]))
                     for folder in (base, tmp_path / "out"))
    assert np.abs(before / np.linalg.norm(before, axis=1, keepdims=True) - after).max() > 1e-3


@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_the_way_of_pooling_travels(base, tmp_path, pooling):
    from sentence_transformers import SentenceTransformer

    run = run_on(base, tmp_path / "run", task={"type": "embed", "pooling": pooling}, evaluation={"every": 0})
    export(run, "merged", output=tmp_path / "out", prompts=3)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    ours = np.array([row["vector"] for row in predict(run, str(tmp_path / "new.jsonl"))])
    opened = SentenceTransformer(str(tmp_path / "out"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(opened.encode(list(TEXTS)), ours, atol=1e-5)


def damaged_tensor(folder: Path) -> None:
    """One matrix of the weights is a hundredth larger than it was written."""
    [file] = folder.glob("*.safetensors")
    tensors = load_file(file)
    name = next(name for name in sorted(tensors) if name.endswith("query.weight"))
    save_file(tensors | {name: tensors[name] * 1.01}, file, metadata={"format": "pt"})


def damaged_vocabulary(folder: Path) -> None:
    """Two of its words have changed places."""
    state = json.loads((folder / "tokenizer.json").read_text())
    words = state["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    (folder / "tokenizer.json").write_text(json.dumps(state))


def damaged_marks(folder: Path) -> None:
    """Texts are no longer closed."""
    state = json.loads((folder / "tokenizer.json").read_text())
    state["post_processor"]["single"].pop()
    (folder / "tokenizer.json").write_text(json.dumps(state))


def damaged_words(folder: Path) -> None:
    """Capital letters are told from small ones."""
    state = json.loads((folder / "tokenizer.json").read_text())
    state["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(state))


@pytest.mark.parametrize(("damage", "kind"), [
    (damaged_tensor, "export.readings"), (damaged_vocabulary, "export.vocabulary"), (damaged_marks, "export.marks"),
    (damaged_words, "export.encoding"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_export_that_says_something_else_is_refused(runs, damage, kind, monkeypatch):
    reload = merged.reload

    def damaged(folder, source):
        damage(folder)
        return reload(folder, source)

    monkeypatch.setattr(merged, "reload", damaged)
    with pytest.raises((Refusal, Problems)):
        export(runs["lora"], "merged", prompts=5)
    why = json.loads((runs["lora"] / "exports" / "merged.refused.json").read_text())
    assert kind in {one["kind"] for one in why["refused"]}
    assert not (runs["lora"] / "exports" / "merged").exists()


def test_a_run_that_learnt_vectors_leaves_whole(runs):
    with pytest.raises(Misuse, match="leaves whole"):
        export(runs["lora"], "adapter")


def test_the_command_says_how_near_the_export_is(runs, capsys, tmp_path):
    from tunesmith.cli import main

    assert main(["export", str(runs["full"]), "merged", "--output", str(tmp_path / "out"), "--prompts", "4"]) == 0
    assert "readings  8 texts, what is said of them within" in capsys.readouterr().out


def test_an_earlier_run_is_gone_on_with(runs, tmp_path):
    again = run_on(runs["lora"], tmp_path / "again", task="embed", training={
        "learning_rate": 1e-9, "steps": 1, "batch_size": 4, "max_length": 128})
    rows = tmp_path / "new.jsonl"
    rows.write_text(json.dumps({"text": TEXTS[0]}) + "\n")
    before, after = (next(predict(run, str(rows)))["vector"] for run in (runs["lora"], again))
    np.testing.assert_allclose(before, after, atol=1e-5)
