"""The loop: one division a step, no step on a number that is none, the same continuation from every place."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tiny import tiny_base
from tunesmith.encoding.batches.packing import batches, cut, pack
from tunesmith.encoding.documents.shift import document
from tunesmith.errors import Failure
from tunesmith.losses.likelihood import negative_log_likelihood
from tunesmith.models import bases, load
from tunesmith.models.adapters import full, lora
from tunesmith.models.model import LanguageModel
from tunesmith.records import Batch, Document, Loss, Order
from tunesmith.training import engine
from tunesmith.training.optimisers import adamw
from tunesmith.training.state import TrainState, groups
from tunesmith.training.state import load as load_state
from tunesmith.training.state import save as save_state

ORDER = Order(batch_size=4, seed=0, epochs=2, steps=6)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("engine") / "base")


def rows() -> list[Document]:
    chance = np.random.default_rng(0)
    made = []
    for example in range(12):
        length = int(chance.integers(6, 30))
        ids = chance.integers(3, 300, length).tolist()
        made.append(document(ids, [(length // 2, length)], text="", ends=[0] * length, example=example))
    return made


def state_of(base: Path, adapter: Any, settings: Any, dtype: torch.dtype = torch.float64) -> TrainState:
    network = load.network(bases.find(str(base)), dtype=dtype, device=torch.device("cpu"))
    model = LanguageModel(network, adapter, settings, seed=0)
    return TrainState(model, adamw.build(groups(model), 1e-2, adamw.Settings()))


def train(state: TrainState, order: Order = ORDER, *, tokens: int = 10_000, until: int | None = None) -> list[Any]:
    documents = rows()
    loss: Callable[[Batch], Loss] = lambda batch: negative_log_likelihood(  # noqa: E731
        state.model.log_probabilities(batch), batch)
    found = []
    for step in engine.steps(
        state, batches(state.model, documents, None, order, state.position), loss, rate=lambda before, after: 1e-2,
        cut=lambda batch: cut(batch, tokens), clip=1.0, seed=0,
    ):
        found.append(step)
        if step.number == until:
            break
    return found


@pytest.mark.parametrize(("adapter", "settings"), [(lora, lora.Settings(rank=4)), (full, full.Settings())])
def test_how_a_step_is_cut_into_pieces_does_not_change_it(base: Path, adapter: Any, settings: Any) -> None:
    whole = train(state_of(base, adapter, settings))
    one_by_one = train(state_of(base, adapter, settings), tokens=1)
    assert [step.loss for step in one_by_one] == pytest.approx([step.loss for step in whole], rel=1e-10)
    norms = [step.gradient_norm for step in whole]
    assert [step.gradient_norm for step in one_by_one] == pytest.approx(norms, rel=1e-9)


def test_the_loss_is_divided_once_by_the_weight_of_the_whole_step(base: Path) -> None:
    state = state_of(base, lora, lora.Settings(rank=4))
    documents = rows()[:2]
    batch = pack(documents)
    with torch.no_grad():
        expected = -state.model.log_probabilities(batch).sum().item() / int(batch.weights.sum())
    step = train_once(state, documents)
    assert step.loss == pytest.approx(expected, rel=1e-12)


def train_once(state: TrainState, documents: list[Document]) -> Any:
    order = Order(batch_size=len(documents), seed=0, epochs=1, steps=1)
    return next(engine.steps(
        state, batches(state.model, documents, None, order, state.position),
        lambda batch: negative_log_likelihood(state.model.log_probabilities(batch), batch),
        rate=lambda before, after: 1e-2, cut=lambda batch: cut(batch, 1), clip=0.0, seed=0,
    ))


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_state_goes_on_bit_for_bit(base: Path, stop: int, dtype: torch.dtype, tmp_path: Path) -> None:
    settings = lora.Settings(rank=4, dropout=0.2)
    uninterrupted = state_of(base, lora, settings, dtype)
    expected = train(uninterrupted)[stop:]
    first = state_of(base, lora, settings, dtype)
    train(first, until=stop)
    save_state(first, tmp_path)
    second = state_of(base, lora, settings, dtype)
    load_state(second, tmp_path, first.facts())
    found = train(second)
    assert [(step.number, step.loss, step.gradient_norm) for step in found] == [
        (step.number, step.loss, step.gradient_norm) for step in expected]
    for name, tensor in uninterrupted.model.tensors().items():
        assert torch.equal(tensor, second.model.tensors()[name]), name


def test_a_loss_that_is_no_number_stops_before_the_optimiser_and_names_the_example(base: Path) -> None:
    state = state_of(base, lora, lora.Settings(rank=4))
    before = {name: tensor.clone() for name, tensor in state.model.tensors().items()}
    documents = rows()

    def broken(batch: Batch) -> Loss:
        found = negative_log_likelihood(state.model.log_probabilities(batch), batch)
        wrong = torch.tensor([math.nan if index == 7 else 1.0 for index in batch.example_ids])
        return Loss(found.terms * wrong, found.weights)

    order = Order(batch_size=12, seed=0, epochs=1, steps=1)
    with pytest.raises(Failure, match=r"training examples \[7\]"):
        next(engine.steps(
            state, batches(state.model, documents, None, order, state.position), broken,
            rate=lambda a, b: 1e-2, cut=lambda batch: cut(batch, 40), clip=1.0, seed=0))
    assert state.number == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.model.tensors().items())


def test_every_example_is_seen_once_an_epoch(base: Path) -> None:
    order = Order(batch_size=4, seed=3, epochs=2, steps=6)
    seen = [index for batch in batches(None, rows(), None, order, state_of(base, lora, lora.Settings()).position)
            for index in batch.example_ids]
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def test_gradients_are_clipped_to_the_norm_that_the_recipe_allows(base: Path) -> None:
    step = train(state_of(base, full, full.Settings()), until=1)[0]
    assert step.gradient_norm > 1.0
