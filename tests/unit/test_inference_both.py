"""Base and tuned model of a run, opened together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_base
from tunesmith.generation.decode import Answer
from tunesmith.generation.sampling import Sampling
from tunesmith.inference import predictor
from tunesmith.models import load, precision
from tunesmith.recipe.read import parse
from tunesmith.recipe.sections import Recipe
from tunesmith.records import Message, Prediction
from tunesmith.workflow.events import Found, silent
from tunesmith.workflow.preparing.prepare import prepare
from tunesmith.workflow.tuning import train as story
from tunesmith.workflow.verdict.measure import Held, drawn, measure


def measured(recipe: Recipe, opened: predictor.Predictor) -> dict[int, Prediction]:
    prepared = prepare(recipe)
    held = Held("held-out", recipe.task, prepared.examples["test"], prepared.documents["test"])
    return measure(recipe, opened, held, drawn(held, recipe), observe=silent, who="")


@pytest.mark.parametrize(("adapter", "dtype", "networks"), [
    ("lora", "float32", 1), ("lora", "bfloat16", 1), ("full", "float32", 2)])
def test_the_base_of_a_run_answers_as_the_base_by_itself_to_the_last_bit(
    tmp_path: Path, monkeypatch: Any, adapter: str, dtype: str, networks: int
) -> None:
    rows = [{"question": f"what is {n}?", "answer": f"it is {n} apples"} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = parse({
        "base": {"name": str(tiny_base(tmp_path / "base")), "dtype": dtype}, "task": "chat", "adapter": adapter,
        "data": {"train": str(tmp_path / "rows.jsonl"), "validation": 0, "test": 0.3},
        "training": {"learning_rate": 1e-2, "steps": 4, "batch_size": 4, "max_length": 64},
        "evaluation": {"generate": 3, "max_new_tokens": 6}, "run": {"folder": str(tmp_path / "runs")},
    }, source="test")
    run = story.train(recipe).run
    alone = {who: measured(recipe, predictor.open(str(run), base=who == "base")) for who in ("base", "tuned")}
    opened: list[Any] = []
    network = load.network
    monkeypatch.setattr(load, "network", lambda *given, **named: opened.append(1) or network(*given, **named))
    together = {who: measured(recipe, one) for who, one in predictor.both(run)}
    assert together == alone
    assert together["base"] != together["tuned"]
    assert len(opened) == networks


def test_a_run_that_learnt_texts_is_asked_for_no_answers_and_goes_on_with_a_text_without_a_template(
    tmp_path: Path,
) -> None:
    (tmp_path / "rows.txt").write_text("".join(f"there were {n} apples\n" for n in range(30)))
    base = tiny_base(tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    recipe = parse({
        "base": str(base), "task": "completion", "data": {"train": str(tmp_path / "rows.txt"), "validation": 0},
        "training": {"steps": 1, "batch_size": 4, "max_length": 64}, "run": {"folder": str(tmp_path / "runs")},
    }, source="test")
    told: list[Any] = []
    done = story.train(recipe, observe=told.append)
    assert done.verdict is not None and set(done.verdict.metrics) == {"loss", "perplexity", "bits_per_byte"}
    assert not [event.finding for event in told if isinstance(event, Found) and "generate" in event.finding.where]
    assert not [finding for finding in done.verdict.findings if "generate" in finding.where]
    opened = predictor.open(str(done.run))
    *_, answer = opened.chat([Message("user", "there were 3")], Sampling(max_new_tokens=4))
    assert not opened.turns and isinstance(answer, Answer)


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_run_that_was_trained_on_another_device_opens_on_what_this_machine_has(tmp_path: Path, device: str) -> None:
    if precision.of_run(device).type == device[:4]:
        pytest.skip("this machine has one")
    (tmp_path / "rows.txt").write_text("".join(f"there were {n} apples\n" for n in range(30)))
    run = story.train(parse({
        "base": str(tiny_base(tmp_path / "base")), "task": "completion",
        "data": {"train": str(tmp_path / "rows.txt"), "test": 0.3}, "evaluation": {"generate": 0},
        "training": {"steps": 1, "max_length": 64}, "run": {"folder": str(tmp_path / "runs")},
    }, source="test")).run
    kept = json.loads((run / "lineage.json").read_text())
    kept["chosen"]["device"] = device
    (run / "lineage.json").write_text(json.dumps(kept))
    assert predictor.open(str(run)).model.device == precision.device("auto")
