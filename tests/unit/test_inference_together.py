"""Runs that are open together share what is the same in them, and answer as each does alone."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from runs_of import run_on
from tiny import tiny_base
from tunesmith.errors import Misuse
from tunesmith.inference import predictor
from tunesmith.inference.together import Together, open_runs
from tunesmith.kernels import products
from tunesmith.records import Message


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("together")
    base = tiny_base(folder / "base")
    made = {"one": run_on(base, folder / "one", "training.seed=1", "run.name=one"),
            "two": run_on(base, folder / "two", "training.seed=2", "run.name=two", "adapter.rank=8"),
            "full": run_on(base, folder / "full", "run.name=full", adapter={"type": "full"})}
    return {"base": base, **made}


def weights(opened):
    return dict(opened.model.network.named_parameters())


def answer(opened):
    sampling = replace(opened.sampling, max_new_tokens=12)
    return list(opened.chat([Message("user", "How many hats has Anna?")], sampling))[-1].ids


def memory(*opened):
    return sum(storage.nbytes() for storage in {
        weight.untyped_storage().data_ptr(): weight.untyped_storage()
        for each in opened for weight in weights(each).values()}.values())


def test_adapters_of_one_base_share_it_and_a_full_run_keeps_its_own(runs):
    one, two, full = open_runs([runs["one"], runs["two"], runs["full"]]).values()
    shared = [name for name, weight in weights(one).items()
              if name in weights(two) and weight.data_ptr() == weights(two)[name].data_ptr()]
    assert set(shared) == {name for name in weights(one) if "lora" not in name} == set(weights(full))
    assert not {weight.data_ptr() for weight in weights(full).values()} & {
        weight.data_ptr() for each in (one, two) for weight in weights(each).values()}
    adapters = sum(weight.nbytes for each in (one, two) for name, weight in weights(each).items() if "lora" in name)
    assert memory(one, two) == memory(full) + adapters


def test_runs_that_are_open_together_answer_as_each_does_alone(runs):
    alone = {name: answer(predictor.open(str(path))) for name, path in runs.items()}
    assert len(set(alone.values())) == len(runs)
    opened = dict(zip(runs, open_runs(list(runs.values())).values(), strict=True))
    for _ in range(2):
        assert {name: answer(each) for name, each in opened.items()} == alone


def test_what_is_closed_is_lent_no_more_and_held_no_longer(runs):
    together = Together()
    first = together.open(str(runs["one"]))
    second = together.open(str(runs["two"]))
    lent = weights(second)["model.embed_tokens.weight"].data_ptr()
    del first
    gc.collect()
    assert len(together._opened) == 1
    third = together.open(str(runs["one"]))
    assert weights(third)["model.embed_tokens.weight"].data_ptr() == lent


def test_two_runs_of_one_name_are_refused(runs):
    with pytest.raises(Misuse, match="two runs are called"):
        open_runs([runs["one"], runs["one"]])


def test_weights_that_are_one_in_memory_are_laid_out_once_for_the_tiles():
    weight = torch.randn(64, 32)
    one, other = torch.nn.Parameter(weight, requires_grad=False), torch.nn.Parameter(weight, requires_grad=False)
    assert products.laid_out(one) is products.laid_out(one)
    first = products.laid_out(one)
    assert products.laid_out(other) is first
    with torch.no_grad():
        one.add_(1)
    assert products.laid_out(one) is not first
