"""What every file of training/observers promises: it is told all there is, and fails before a run, not in it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

import pytest

from tunesmith import catalog
from tunesmith.contracts import RunFacts
from tunesmith.errors import Misuse

NAMES = catalog.names("observer")
# the modules of the library that an observer imports, where they are more than one of its own name
MODULES = {"tensorboard": ("tensorboard", "torch.utils.tensorboard"), "mlflow": ("mlflow", "mlflow.entities")}


@pytest.fixture
def library(request, monkeypatch):
    """A stand-in for an observer's library that notes every call, also those to what it handed out."""
    noted = MagicMock()
    for name in MODULES.get(request.param, (request.param,)):
        part = noted
        for step in name.split(".")[1:] if request.param != "tensorboard" else ():
            part = getattr(part, step)
        part.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, part)
    noted.MlflowClient.return_value.search_runs.return_value = []  # no such run is there yet
    return noted


def module_and_settings(name):
    module = catalog.load("observer", name)
    return module, module.Settings()


@pytest.mark.parametrize(("library", "name"), [(name, name) for name in NAMES], ids=NAMES, indirect=["library"])
def test_it_hands_on_every_number_with_its_step_and_ends(library, name, tmp_path):
    module, settings = module_and_settings(name)
    module.require(settings)
    facts = RunFacts("2026-11-21-orders-1a2b", tmp_path, {"training.epochs": 3.25, "base.name": "tiny"}, 0)
    handle = module.open(facts, settings)
    module.step(handle, 71, {"loss": 1.125, "rate": 2.5e-4})
    module.evaluation(handle, 72, {"loss": 1.375})
    module.verdict(handle, 73, "not proven", {"loss/difference": -0.625})
    before = len(library.mock_calls)
    module.close(handle)
    assert len(library.mock_calls) > before
    told = repr(library.mock_calls)
    for word in ("1.125", "0.00025", "71", "1.375", "72", "not proven", "-0.625", "3.25", "loss/difference"):
        assert word in told, f"{name} was told {word}, and did not tell it"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_installed_is_a_mistake_with_the_command_that_installs_it(name, monkeypatch):
    from tunesmith.training.observers import _installed

    monkeypatch.setattr(_installed.importlib.util, "find_spec", lambda package: None)
    module, settings = module_and_settings(name)
    with pytest.raises(Misuse, match="is not installed") as caught:
        module.require(settings)
    assert caught.value.remedy.startswith("pip install ")


@pytest.mark.parametrize("library", ["wandb"], indirect=True)
def test_wandb_without_a_key_would_ask_in_the_middle_of_a_night(library, monkeypatch):
    module, settings = module_and_settings("wandb")
    library.api.api_key = None
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(Misuse, match="no key"):
        module.require(settings)
    monkeypatch.setenv("WANDB_MODE", "offline")
    module.require(settings)


@pytest.mark.parametrize("library", ["mlflow"], indirect=True)
def test_mlflow_goes_on_with_the_run_that_is_there(library, tmp_path):
    module, settings = module_and_settings("mlflow")
    client = library.MlflowClient.return_value
    client.search_runs.return_value = [MagicMock()]
    _, run = module.open(RunFacts("orders", tmp_path, {}, 40), settings)
    assert run is client.search_runs.return_value[0].info.run_id
    assert "orders" in repr(client.search_runs.mock_calls) and not client.create_run.called
