"""A recipe whose base and data are on the Hub: from nothing to the verdict, stopped and gone on with, and offline."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from hub import TOKEN, Hub, allowed, folder_of
from telling import tunesmith
from tiny import tiny_base
from tunesmith.recipe.read import read
from tunesmith.runs import checkpoints
from tunesmith.workflow.events import Event, Stepped
from tunesmith.workflow.tuning import train as story

pytestmark = allowed
RECIPE = """\
base: owner/tiny
task: chat
data: {{train: "owner/rows@v1", validation: 0.2, test: "owner/rows@v1:test"}}
adapter: {{type: lora, rank: 4}}
training: {{learning_rate: 1e-2, steps: 4, batch_size: 4, max_length: 128, save_every: 2}}
evaluation: {{generate: 2, max_new_tokens: 4}}
run: {{folder: {folder}, name: hub}}
"""


def rows(first: int, last: int) -> bytes:
    return "".join(json.dumps({"prompt": f"what is {n} and {n}?", "answer": f"it is {2 * n}"}) + "\n"
                   for n in range(first, last)).encode()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as server:
        server.environment(monkeypatch, tmp_path, token=TOKEN)
        yield server


@pytest.fixture
def commits(hub, tmp_path):
    base = hub.put("model", "owner/tiny", folder_of(tiny_base(tmp_path / "made")), gated=True)
    data = hub.put("dataset", "owner/rows", {"train.jsonl": rows(0, 40), "test.jsonl": rows(50, 60)}, revision="v1",
                   private=True)
    return base, data


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(folder=tmp_path / "runs"))
    return path


def moved(hub: Hub) -> None:
    """Both repositories get other content under the same names."""
    hub.put("model", "owner/tiny", {"config.json": b"{}", "more": b""})
    hub.put("dataset", "owner/rows", {"train.jsonl": rows(90, 99), "more": b""}, revision="v1")


def test_a_run_from_the_hub_pins_what_it_began_with_and_trains_again_offline(hub, commits, recipe, monkeypatch):
    checked = tunesmith("check", recipe, "--json")
    assert checked.code == 0, checked.err
    trained = tunesmith("train", recipe, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["verdict"] in ("better", "worse", "not proven")
    run = Path(trained.json["run"])
    base, data = commits
    assert read(run / "recipe.yaml").base.name == f"owner/tiny@{base}"
    assert read(run / "recipe.yaml").data.train == (f"owner/rows@{data}",)
    assert json.loads((run / "lineage.json").read_text())["chosen"]["commits"] == {
        "owner/tiny": base, "datasets/owner/rows@v1": data}
    card = (run / "README.md").read_text()
    assert "base_model: owner/tiny\n" in card and "- owner/rows\n" in card
    assert not [path for path in run.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    moved(hub)
    asked = len(hub.asked)
    again = tunesmith("train", recipe, "--json", "run.name=again")
    assert again.code == 0, again.err
    assert {**again.json, "run": "", "seconds": 0} == {**trained.json, "run": "", "seconds": 0}
    assert (Path(again.json["run"]) / "records.jsonl").read_bytes() == (run / "records.jsonl").read_bytes()
    assert tunesmith("evaluate", run, "--json").code == 0
    assert len(hub.asked) == asked


@pytest.mark.parametrize("with_recipe", [False, True])
def test_a_resume_takes_the_commits_that_the_run_began_with(hub, commits, recipe, with_recipe):
    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = story.train(read(recipe), observe=stop)
    assert stopped.stopped == "signal" and stopped.step < 4
    moved(hub)
    words = [recipe, "--resume", stopped.run] if with_recipe else ["--resume", stopped.run]
    told = tunesmith("train", *words, "--json")
    assert told.code == 0, told.err
    assert told.json["step"] == 4
    assert checkpoints.newest(story.folder.open_run(stopped.run))[0] is not None


def test_a_recipe_that_names_another_revision_is_not_the_run_that_it_was(hub, commits, recipe):
    done = story.train(read(recipe, ["training.steps=2"]))
    (done.run / "records.jsonl").write_text("")  # as if it had not come to its end
    hub.put("dataset", "owner/rows", {"train.jsonl": rows(60, 90), "test.jsonl": rows(50, 60)}, revision="v2")
    told = tunesmith("train", recipe, "--resume", done.run, "training.steps=2", "data.train=owner/rows@v2",
                     "data.test=owner/rows@v2:test")
    assert told.code == 3 and "data.train" in told.err


def test_without_a_cache_and_offline_everything_that_is_missing_is_named(hub, recipe, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = tunesmith("train", recipe)
    assert told.code == 2 and "Traceback" not in told.err
    for name in ("owner/tiny`", "owner/rows --repo-type dataset --revision v1`"):
        assert f"hf download {name}" in told.err
