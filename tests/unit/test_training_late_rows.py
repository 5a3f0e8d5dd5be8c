"""Embeddings of which only the rows that a step reads are stepped: nothing that anybody sees is another number."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import architectures
from tunesmith.encoding.batches.packing import cut, pack
from tunesmith.kernels import build, late_rows
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.records import Document, Head, Loss, Position
from tunesmith.training import engine, state
from tunesmith.training.optimisers import adamw
from tunesmith.training.state import TrainState, groups

LABELS = Head("sequence", ("a", "b", "c"), "single")
STEPS = 14
pytestmark = pytest.mark.skipif(build.library() is None, reason=build.reason())


@pytest.fixture
def folder(tmp_path):
    architectures.network_of("BERT").float().save_pretrained(tmp_path / "base")
    return tmp_path


def begun(folder, dtype=torch.float32, adapter=full):
    """A state at its beginning, the same each time."""
    network = load.network(bases.find(str(folder / "base")), dtype=dtype, device=torch.device("cpu"), head=LABELS)
    model = LanguageModel(network, adapter, adapter.Settings(), seed=0, head=LABELS)
    return TrainState(model, adamw.build(groups(model), 1e-3, adamw.Settings(weight_decay=0.1)))


def batches():
    """A batch a step, of few words of many."""
    generator = np.random.default_rng(0)
    for step in range(STEPS):
        made = []
        for example in range(4):
            rows = int(generator.integers(3, 9))
            ids = generator.integers(3, 20 + 10 * step, rows)
            targets, weights = np.full(rows, -1, np.int64), np.zeros(rows, np.float32)
            weights[0] = 1.0
            label = np.asarray(int(generator.integers(3)))
            made.append(Document(ids, targets, weights, example, document_columns={"label": label}, both_ways=True))
        yield pack(made, after=Position({"step": step + 1}, (step + 1) / STEPS))


def loss_of(model, batch):
    """Cross entropy of each text's label."""
    said, labels = model.outputs(batch), batch.document_columns["label"]
    return Loss(torch.nn.functional.cross_entropy(said, labels, reduction="none"), torch.ones(len(labels)))


def trained(found, start=0, *, clip=0.0, pieces=10**6, look=None):
    """The state after the rest of the batches; look: what is called after each step."""
    for step in engine.steps(
        found, list(batches())[start:], lambda batch: loss_of(found.model, batch),
        rate=lambda before, after: 2e-2 * (1 - before), cut=lambda batch: cut(batch, pieces), clip=clip, seed=0,
    ):
        if look:
            look(step)
    return found


def numbers(found):
    """Everything that a checkpoint holds."""
    return {**found.model.tensors(), **state.optimiser_tensors(found)}


def whole(folder, monkeypatch, **options):
    """The numbers of a training in which every row takes every step in time."""
    with monkeypatch.context() as patched:
        patched.setattr(late_rows, "serves", lambda parameter: False)
        dtype = options.pop("dtype", torch.float32)
        return numbers(trained(begun(folder, dtype), **options))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bits_are_those_of_whole_steps(folder, monkeypatch, dtype):
    late = begun(folder, dtype)
    trained(late)
    words = late.model.learns["bert.embeddings.word_embeddings.weight"]
    assert words.grad.is_sparse and (late.optimiser._late[words].taken < STEPS).any()
    found, wanted = numbers(late), whole(folder, monkeypatch, dtype=dtype)
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)
    for name, copy in late.model.copies.items():
        assert torch.equal(copy, late.model.learns[name].to(copy.dtype))


@pytest.mark.parametrize("options", [{"clip": 0.1}, {"pieces": 9}], ids=["clipped", "in pieces"])
def test_clipped_and_in_pieces_they_are_those_to_rounding(folder, monkeypatch, options):
    found, wanted = numbers(trained(begun(folder), **options)), whole(folder, monkeypatch, **options)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("at", [1, 6])
def test_a_resume_goes_on_bit_for_bit_and_saving_changes_nothing(folder, at):
    straight = numbers(trained(begun(folder)))
    saved = begun(folder)

    def save(step):
        if step.number == at:
            state.save(saved, folder)
            (folder / "facts").write_text(json.dumps(saved.facts()))

    assert all(torch.equal(number, straight[name]) for name, number in numbers(trained(saved, look=save)).items())
    resumed = begun(folder)
    state.load(resumed, folder, json.loads((folder / "facts").read_text()))
    assert all(torch.equal(number, straight[name]) for name, number in numbers(trained(resumed, at)).items())


def test_what_is_read_between_steps_is_in_time(folder, monkeypatch):
    said, wanted = [], []

    def asked(found, answers):
        ids = np.arange(3, 60)
        rows = Document(ids, ids, np.zeros(len(ids), np.float32), 0, both_ways=True)
        return lambda step: answers.append(found.model.states(pack([rows])).detach().clone())

    late = begun(folder)
    trained(late, look=asked(late, said))
    monkeypatch.setattr(late_rows, "serves", lambda parameter: False)
    in_time = begun(folder)
    trained(in_time, look=asked(in_time, wanted))
    assert all(torch.equal(one, other) for one, other in zip(said, wanted, strict=True))


def test_a_matrix_that_others_read_too_or_that_does_not_learn_stays_whole(folder):
    assert begun(folder, adapter=lora).model._settle is None
    head = Head("masked")
    network = load.network(bases.find(str(folder / "base")), dtype=torch.float32, device=torch.device("cpu"), head=head)
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight
    model = LanguageModel(network, full, full.Settings(), seed=0, head=head)
    TrainState(model, adamw.build(groups(model), 1e-3, adamw.Settings()))
    assert model._embeddings is not None and model._settle is None
