"""Who watches a run: told of everything, and without any power over it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from tiny import tiny_base
from tunesmith.errors import Misuse, Problems
from tunesmith.recipe.digests import differences
from tunesmith.recipe.read import parse, read
from tunesmith.workflow.checking.check import check
from tunesmith.workflow.events import Event, Found, Said, Stepped, silent
from tunesmith.workflow.tuning import train as story

SECRET = "hf_" + "Ab1" * 10


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("observers") / "base")


@pytest.fixture
def make(base: Path, tmp_path: Path) -> Callable[..., Any]:
    rows = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def made(*overrides: str) -> Any:
        return parse({
            "base": str(base), "task": "chat", "data": {"train": str(tmp_path / "rows.jsonl")},
            "adapter": {"type": "lora", "rank": 4},
            "training": {"learning_rate": 1e-2, "steps": 4, "epochs": 9, "batch_size": 4, "max_length": 128,
                         "save_every": 2},
            "evaluation": {"every": 2, "generate": 2, "max_new_tokens": 4},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        }, source="test", overrides=overrides)

    return made


class Settings(BaseModel):
    """None."""


class Outsider(ModuleType):
    """An observer of somebody else's: notes what it is told, and raises where it was told to."""

    def __init__(self, name: str, fails_at: str = "") -> None:
        super().__init__(name)
        self.Settings, self.fails_at, self.told = Settings, fails_at, []
        for promise in ("require", "open", "step", "evaluation", "verdict", "close"):
            setattr(self, promise, self._promise(promise))

    def _promise(self, promise: str) -> Callable[..., Any]:
        def call(*values: Any) -> str:
            self.told.append((promise, values))
            print("whatever trackers print")
            if promise == self.fails_at:
                raise RuntimeError(f"no server at https://me:{SECRET}@example.org")
            return "handle"

        return call

    def of(self, promise: str) -> list[Any]:
        return [values for name, values in self.told if name == promise]


@pytest.fixture
def outsider(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outsider]:
    def installed(fails_at: str = "") -> Outsider:
        module = Outsider("outsider.watcher", fails_at)
        monkeypatch.setitem(sys.modules, "outsider", ModuleType("outsider"))
        monkeypatch.setitem(sys.modules, "outsider.watcher", module)
        return module

    return installed


def kept(run: Path) -> dict[str, bytes]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {file.name: file.read_bytes() for file in [run / "records.jsonl", *newest.glob("*.safetensors")]}


def test_an_observer_is_told_of_steps_evaluations_and_the_verdict(make, outsider, capsys):
    seen: list[Event] = []
    watcher = outsider()
    done = story.train(make("run.observers=outsider.watcher", f"data.system=call {SECRET}"), observe=seen.append)
    records = [json.loads(line) for line in (done.run / "records.jsonl").read_text().splitlines()]
    steps = [line for line in records if line["kind"] == "step"]
    told = [(number, values["loss"], values["gradient_norm"]) for _, number, values in watcher.of("step")]
    assert told == [(line["step"], line["loss"], line["gradient_norm"]) for line in steps] and len(told) == 4
    losses = [(line["step"], {"loss": line["loss"]}) for line in records if line["kind"] == "evaluation"]
    assert [values[1:] for values in watcher.of("evaluation")] == losses and len(losses) == 2
    [(_, number, word, values)] = watcher.of("verdict")
    assert (number, word) == (4, done.verdict.word)
    assert values["loss/difference"] == done.verdict.metrics["loss"].difference
    assert [name for name, _ in watcher.told][-1] == "close"
    [(facts, _)] = watcher.of("open")
    assert (facts.name, facts.folder, facts.step) == (done.run.name, done.run, 0)
    assert facts.options["data.system"] == "call [secret]"
    assert capsys.readouterr().out == ""
    assert Said("outsider.watcher: whatever trackers print") in seen


@pytest.mark.parametrize("fails_at", ["open", "step", "evaluation", "verdict", "close"])
def test_an_observer_that_fails_changes_nothing_and_is_told_of_once(make, outsider, fails_at):
    alone = story.train(make(), observe=silent)
    watcher = outsider(fails_at)
    seen: list[Event] = []
    done = story.train(make("run.observers=[outsider.watcher]"), observe=seen.append)
    assert kept(done.run) == kept(alone.run) and done.verdict.word == alone.verdict.word
    [found] = [event.finding for event in seen if isinstance(event, Found) and event.finding.kind == "observer.failed"]
    assert "`outsider.watcher`" in found.what and SECRET not in found.what and found.severity == "warning"
    assert len(watcher.of(fails_at)) == 1


def test_a_run_goes_on_with_other_observers_than_it_began_with(make, outsider):
    def stop(event: Event) -> None:
        import os
        import signal

        if isinstance(event, Stepped) and event.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    begun = story.train(make(), observe=stop)
    watcher = outsider()
    recipe = make("run.observers=outsider.watcher")
    assert not differences(read(begun.run / "recipe.yaml"), recipe)
    done = story.train(recipe, resume=begun.run, observe=silent)
    assert watcher.of("open")[0][0].step == begun.step and done.step == 4
    assert [values[1] for values in watcher.of("step")] == list(range(begun.step + 1, 5))


def test_a_missing_library_is_found_by_check_and_before_a_run_is_begun(make, tmp_path, monkeypatch):
    from tunesmith.training.observers import _installed

    monkeypatch.setattr(_installed.importlib.util, "find_spec", lambda package: None)
    recipe = make("run.observers=[wandb, mlflow]")
    for act in (check, story.train):
        with pytest.raises(Problems) as caught:
            act(recipe)
        assert [problem.remedy for problem in caught.value.problems] == ["pip install wandb", "pip install mlflow"]
        assert caught.value.exit_code == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("written", "said"), [
    ("[tensorbord]", "there is no observer `tensorbord`"), ("[tensorboard, tensorboard]", "named twice"),
    ("{type: wandb, projekt: x}", "`wandb.projekt`"), ("3", "the name of one observer"),
])
def test_a_wrong_observer_is_a_mistake_of_the_recipe(make, written, said):
    with pytest.raises(Misuse, match=said):
        make(f"run.observers={written}")


def test_tensorboard_reads_back_what_it_was_told(make):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = story.train(make("run.observers=[tensorboard]"), observe=silent)
    events = accumulator.EventAccumulator(str(done.run / "tensorboard"))
    events.Reload()
    records = [json.loads(line) for line in (done.run / "records.jsonl").read_text().splitlines()]
    wanted = [(line["step"], pytest.approx(line["loss"], rel=1e-6)) for line in records if line["kind"] == "step"]
    assert [(scalar.step, scalar.value) for scalar in events.Scalars("train/loss")] == wanted
    assert [scalar.step for scalar in events.Scalars("validation/loss")] == [2, 4]
    assert events.Scalars("verdict/loss/difference")[0].value == pytest.approx(
        done.verdict.metrics["loss"].difference, rel=1e-6)
