"""Several tasks on one network: each learns its own rows, weighed by their shares, and is judged by its own numbers."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

import tunesmith
from tiny import tiny_base, tiny_encoder
from tunesmith.encoding.batches.packing import pack
from tunesmith.errors import Problem, Problems
from tunesmith.recipe import write as writing
from tunesmith.records import Row, Step
from tunesmith.tasks.several import PART, _plain
from tunesmith.workflow.events import Stepped
from tunesmith.workflow.exporting.export import export
from tunesmith.workflow.predict import predict
from tunesmith.workflow.preparing import order, prepare

COLOURS = ("red", "blue", "green")


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def colours(count: int) -> list[dict[str, Any]]:
    return [{"text": f"a {COLOURS[n % 3]} hat for person number {n}", "label": COLOURS[n % 3]} for n in range(count)]


def sides(count: int) -> list[dict[str, Any]]:
    return [{"text": f"turn {('left', 'right')[n % 2]} at house number {n}", "label": ("left", "right")[n % 2]}
            for n in range(count)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("several") / "base")


@pytest.fixture
def recipe(base: Path, tmp_path: Path) -> Any:
    colour, side = write(tmp_path / "colours.jsonl", colours(60)), write(tmp_path / "sides.jsonl", sides(40))
    there = write(tmp_path / "more.jsonl", [{"text": f"turn {way} at house number {n}", "label": way}
                                            for n, way in enumerate(["left", "right"] * 12, 200)])

    def made(**changes: Any) -> Any:
        return tunesmith.load_recipe({
            "base": {"name": str(base), "dtype": "float32"},
            "task": {"type": "several", "parts": {"train": "classify", "way": "classify"}},
            "data": {"train": colour, "test": 0.3, "validation": 0.1,
                     "mix": {"way": {"files": side, "share": 0.25, "validation": 0.2}}} | changes.get("data", {}),
            "adapter": changes.get("adapter", "full"),
            "training": {"learning_rate": 5e-3, "epochs": 8, "batch_size": 8, "max_length": 64, "save_every": 3},
            "evaluation": {"every": 5, "also": {"way": there}},
            "run": {"folder": str(tmp_path / "runs"), "name": "both"},
        })

    return made


@pytest.mark.parametrize("adapter", ["full", {"type": "lora", "rank": 8}])
def test_each_part_is_learnt_judged_by_its_own_numbers_and_asked_by_its_name(recipe, adapter):
    run = tunesmith.train(recipe(adapter=adapter))
    assert run.verdict.against != "base"
    assert run.verdict.metrics["accuracy"].tuned > 0.8
    assert run.verdict.also["way"].metrics["accuracy"].tuned > 0.8
    assert run.verdict.also["way"].metrics["accuracy"].against <= 0.6
    said = list(predict(run.folder, [Row({"text": "turn left at house number 99"}, "rows[0]")], part="way"))
    assert said[0]["label"] == "left" and set(said[0]["scores"]) == {"left", "right"}
    own = next(run.predict([{"text": "a green hat for person number 99"}]))
    assert own["label"] == "green"


def test_the_held_out_loss_of_every_source_stands_in_the_records_and_counts_by_its_share(recipe):
    run = tunesmith.train(recipe())
    evaluations = [line for line in run.records if line["kind"] == "evaluation"]
    assert evaluations
    for line in evaluations:
        assert line["loss"] == pytest.approx(0.75 * line["loss.train"] + 0.25 * line["loss.way"])


def test_a_part_counts_by_its_share_whatever_its_rows_weigh(recipe):
    steps = tunesmith.steps(recipe())
    step = next(steps)
    assert isinstance(step, Step)
    assert step.weight == pytest.approx(1.0)
    assert step.loss == pytest.approx(0.75 * step.also["loss.train"] + 0.25 * step.also["loss.way"], rel=1e-5)


def test_gradients_of_the_shared_network_are_the_shares_sum_of_each_parts_own(recipe):
    steps = tunesmith.steps(recipe())
    session = steps._session
    batch = next(session.recipe.task.module.batches(
        session.model, session.documents, session.recipe.task.settings, session.order, session.state.position,
        given=None))
    session.loss(batch).terms.sum().backward()
    name = next(name for name in session.model.learns if "query" in name)
    whole = session.model._computing[name].grad.clone()
    parts = torch.zeros_like(whole)
    for number, (part, share) in enumerate((("train", 6 / 8), ("way", 2 / 8))):
        own = [_plain(document, part) for document in batch.documents if document.document_columns[PART] == number]
        session.model.zero()
        section = session.recipe.task.settings.parts[part]
        found = section.module.loss(session.model.part(part), pack(own), section.settings)
        (found.terms.sum() / found.weights.sum() * share).backward()
        parts += session.model._computing[name].grad
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-7)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(recipe, tmp_path):
    whole = tunesmith.train(recipe())
    half = recipe()

    def stop(event):
        if isinstance(event, Stepped) and event.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = tunesmith.train(half, observe=stop)
    assert not stopped.finished
    resumed = tunesmith.resume(stopped)
    assert resumed.records == whole.records


def test_sources_without_a_share_have_one_by_their_rows_and_the_temperature(recipe, tmp_path):
    def share(temperature: float) -> float:
        made = recipe(data={"temperature": temperature, "mix": {"way": {"files": str(tmp_path / "sides.jsonl")}}})
        prepared = prepare.prepare(made)
        found = float(order.order(made, prepared.documents["train"], prepared.sources).sources[1].share)
        rows = prepared.sources
        size = {name: count ** (1 / temperature) for name, count in rows.items()}
        assert found == pytest.approx(size["way"] / sum(size.values()), abs=0.002)
        return found

    assert share(1000.0) == pytest.approx(0.5, abs=0.01) != share(1.0)


@pytest.mark.parametrize(("parts", "told"), [
    ({"train": "classify"}, "no part learns"),
    ({"train": "classify", "way": "classify", "more": "classify"}, "no rows"),
    ({"train": "classify", "way": "chat"}, "does not take"),
])
def test_parts_and_sources_that_do_not_fit_are_refused_together(recipe, parts, told):
    values = json.loads(json.dumps(as_values(recipe())))
    wrong = tunesmith.load_recipe({**values, "task": {"type": "several", "parts": parts}})
    with pytest.raises((Problem, Problems), match=told):
        tunesmith.train(wrong)


@pytest.mark.parametrize("adapter", ["full", {"type": "lora", "rank": 8}])
def test_each_part_leaves_by_itself_and_opens_in_transformers(recipe, adapter, tmp_path):
    from transformers import pipeline

    run = tunesmith.train(recipe(adapter=adapter))
    for part, text in (("train", "a green hat for person number 99"), ("way", "turn left at house number 99")):
        done = export(run.folder, "merged", part=part, output=tmp_path / part)
        assert done.parity["readings"]["largest_difference"] < 1e-4
        [theirs] = pipeline("text-classification", str(tmp_path / part), top_k=None)([text])
        [ours] = predict(run.folder, [Row({"text": text}, "rows[0]")], part=part)
        assert {one["label"]: pytest.approx(one["score"], abs=1e-5) for one in theirs} == ours["scores"]
    with pytest.raises(Problem, match="no part"):
        export(run.folder, "merged", part="wya")


def as_values(recipe: Any) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(writing.dump(recipe)))


def test_two_tasks_that_write_text_share_the_head_of_the_base(tmp_path):
    talk = write(tmp_path / "talk.jsonl", [{"prompt": f"Day {n}?", "answer": f"We count {n} hats."} for n in range(30)])
    (tmp_path / "book.txt").write_text("\n\n".join(f"On day {n} the red shirt went to Baku." for n in range(30)))
    run = tunesmith.train(tunesmith.load_recipe({
        "base": {"name": str(tiny_base(tmp_path / "base")), "dtype": "float32"},
        "task": {"type": "several", "parts": {"train": "chat", "book": "completion"}},
        "data": {"train": talk, "test": 0.2, "validation": 0, "mix": {"book": {
            "files": str(tmp_path / "book.txt"), "share": 0.5}}},
        "adapter": {"type": "lora", "rank": 4},
        "training": {"learning_rate": 1e-2, "steps": 10, "epochs": 9, "batch_size": 6, "max_length": 128},
        "evaluation": {"generate": 2, "max_new_tokens": 4}, "run": {"folder": str(tmp_path / "runs")},
    }))
    assert run.verdict.against == "base"
    assert {"loss.train", "loss.book"} <= run.records[0].keys()
