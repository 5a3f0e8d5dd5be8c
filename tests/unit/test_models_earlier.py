"""An earlier run as a base: what it learnt is merged into the base that it had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tiny import tiny_base
from tunesmith.errors import Failure, Misuse
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.runs import checkpoints
from tunesmith.runs.folder import create

CPU = torch.device("cpu")
IDS = torch.arange(3, 40)[None]
RECIPE = """base: {base}
task: completion
data: {{train: rows.jsonl}}
adapter: {{type: {adapter}}}
run: {{folder: runs, name: one}}
"""


def logits(network):
    with torch.no_grad():
        return network(input_ids=IDS, use_cache=False).logits


def finished_run(tmp_path, base, adapter, *, best=None, steps=(1, 2), name="run"):
    """A run with a checkpoint at each of `steps`, and the logits of the tuned network at each."""
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    run = create(tmp_path / "runs", name)
    run.recipe_file.write_text(RECIPE.format(base=base, adapter=adapter.__name__.rpartition(".")[2]))
    network = load.network(bases.find(str(base)), dtype=torch.float32, device=CPU)
    model = LanguageModel(network, adapter, adapter.Settings(), seed=0)
    answers = {}
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for master in model.learns.values():
            master.data.add_(torch.randn(master.shape, generator=generator) * 0.05)
        answers[step] = logits(network)
        checkpoints.save(
            run, step, lambda folder: save_file(model.tensors(), folder / adapter.weights_file),
            facts={"memory": {"best": {"step": best}} if best else {}}, keep=5, best=best,
        )
    return run.path, answers


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
def test_a_run_answers_as_its_tuned_model_did_and_is_a_plain_network(tmp_path, adapter):
    base = tiny_base(tmp_path / "base")
    path, answers = finished_run(tmp_path, base, adapter)
    found = bases.find(str(path))
    network = load.network(found, dtype=torch.float32, device=CPU)
    torch.testing.assert_close(logits(network), answers[2], rtol=0, atol=1e-4)
    plain = load.network(bases.find(str(base)), dtype=torch.float32, device=CPU)
    assert list(network.state_dict()) == list(plain.state_dict())
    assert found.digest != bases.find(str(base)).digest and found.context == 512


def test_the_best_checkpoint_counts_where_there_is_one(tmp_path):
    path, answers = finished_run(tmp_path, tiny_base(tmp_path / "base"), lora, best=1)
    network = load.network(bases.find(str(path)), dtype=torch.float32, device=CPU)
    torch.testing.assert_close(logits(network), answers[1], rtol=0, atol=1e-4)


def test_a_run_from_a_run_carries_both(tmp_path):
    first, _ = finished_run(tmp_path, tiny_base(tmp_path / "base"), full, name="first")
    second, answers = finished_run(tmp_path, first, lora, name="second")
    network = load.network(bases.find(str(second)), dtype=torch.float32, device=CPU)
    torch.testing.assert_close(logits(network), answers[2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("adapter", [lora, full], ids=["lora", "full"])
def test_a_second_run_computes_and_learns_as_one_from_a_plain_base_does(tmp_path, adapter):
    base = tiny_base(tmp_path / "base", head_dim=16)
    path, _ = finished_run(tmp_path, base, adapter)
    plain, again = (
        LanguageModel(load.network(bases.find(str(name)), dtype=torch.bfloat16, device=CPU), lora, lora.Settings(),
                      seed=0)
        for name in (base, path)
    )
    assert (again.layout, again.paths) == (plain.layout, plain.paths) and all(path.fast for path in plain.paths)
    again.network(input_ids=IDS, use_cache=False).logits.sum().backward()
    assert not again.unreached()


def test_a_run_without_a_checkpoint_says_how_to_go_on(tmp_path):
    path, _ = finished_run(tmp_path, tiny_base(tmp_path / "base"), lora, steps=())
    with pytest.raises(Failure, match="no checkpoint") as caught:
        bases.find(str(path))
    assert "--resume" in caught.value.remedy


@pytest.mark.parametrize("typed", ["runs", "runs/two", "runs/*-two-*", "{run}/checkpoints", "{run}/checkpoints/step-1"])
def test_a_path_among_runs_is_answered_with_the_run_that_was_meant(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        create(Path("runs"), name).recipe_file.write_text("task: chat\n")
    [run] = Path("runs").glob("*-two-*")
    with pytest.raises(Misuse) as caught:
        bases.find(typed.format(run=run), "r.yaml:1")
    assert caught.value.remedy == f"name a run, such as `{run}`"


def test_a_name_without_a_path_is_no_run_for_lying_beside_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create(Path(), "one").recipe_file.write_text("task: chat\n")
    with pytest.raises(Misuse) as caught:
        bases.find("smollm2-135m-instuct")
    assert caught.value.remedy == "use `smollm2-135m-instruct`"
