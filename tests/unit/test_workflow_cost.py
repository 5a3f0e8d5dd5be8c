"""What an export costs that is meant to lose something: measured by the task's own metrics, refused above `worst`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from runs_of import labelled, run_on
from tiny import SENTENCES, tiny_base, tiny_encoder
from tunesmith.cli import main
from tunesmith.contracts import Lossy
from tunesmith.errors import Problems, Refusal
from tunesmith.evaluation import verdict
from tunesmith.evaluation.intervals import paired
from tunesmith.exports import merged
from tunesmith.generation.elsewhere import Elsewhere
from tunesmith.metrics import loss, perplexity
from tunesmith.records import Finding, Measured, Verdict
from tunesmith.workflow.exporting import cost
from tunesmith.workflow.exporting.export import export


def tagged(folder: Path) -> Path:
    """Words with tags."""
    rows = [{"tokens": ["Anna", "has", str(n), "hats"], "tags": ["B-PER", "O", "O", "B-MISC"]} for n in range(40)]
    path = folder / "tags.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that has learnt its rows, so that there is something to lose."""
    folder = tmp_path_factory.mktemp("cost")
    return run_on(tiny_base(folder / "base"), folder / "run", "training.steps=40", "evaluation.generate=11",
                  adapter={"type": "full"})


@pytest.fixture
def lossy(monkeypatch):
    """The format `merged` as one that may lose something: a `change` of its weights, and so much at `worst`."""

    def make(change, worst=None) -> None:
        meant = merged.meant

        def changed(source, settings):
            model = meant(source, settings)
            with torch.no_grad():
                change(model.network)
            return model

        monkeypatch.setattr(merged, "meant", changed)
        monkeypatch.setattr(merged, "lossy", lambda settings: Lossy(worst))

    return make


def nothing(network) -> None:
    """No weight is changed."""


def zeroed_layer(network) -> None:
    """All that one layer adds is nothing."""
    for weight in network.base_model.layers[1].parameters():
        weight.zero_()


def not_finite(network) -> None:
    """One number is none."""
    next(network.parameters())[3] = float("nan")


def a_little_off(network) -> None:
    """Every weight is a thousandth larger."""
    for weight in network.parameters():
        weight.mul_(1.001)


def refused(run: Path) -> set[str]:
    """The kinds of why the last export was refused."""
    return {one["kind"] for one in json.loads((run / "exports" / "merged.refused.json").read_text())["refused"]}


def test_an_export_that_lost_nothing_passes_and_its_verdict_says_so(run, lossy, tmp_path):
    lossy(nothing)
    done = export(run, "merged", output=tmp_path / "out")
    found = done.parity["cost"]
    assert found["verdict"] == "not proven" and found["primary"] == "loss" and "verdict.json" in done.files
    assert abs(found["metrics"]["loss"]["difference"]) < 1e-5
    assert found["metrics"]["exact_match"]["difference"] == 0
    assert {"loss", "perplexity", "exact_match", "rouge_l"} == found["metrics"].keys()


def test_an_export_that_is_a_little_off_passes_and_is_told(run, lossy, tmp_path, capsys):
    lossy(a_little_off)
    assert main(["export", str(run), "merged", "--output", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "cost      " in told and "is allowed" in told and "tokens/s" in told and "MB on the disk" in told
    card = (tmp_path / "out" / "README.md").read_text()
    assert "## What this format cost" in card and "these files" in card


def test_an_export_with_a_layer_of_zeros_is_refused_and_nothing_is_left_but_why(run, lossy, tmp_path, capsys):
    lossy(zeroed_layer)
    assert main(["export", str(run), "merged", "--output", str(tmp_path / "out")]) == 3
    assert "is worse than the run" in capsys.readouterr().err
    assert refused(run) == {"export.worse"} and not (tmp_path / "out").exists() and not list(tmp_path.iterdir())


def test_how_much_may_be_lost_is_the_users_to_say(run, lossy, tmp_path):
    lossy(zeroed_layer, worst=1e3)
    assert export(run, "merged", output=tmp_path / "out").parity["cost"]["verdict"] == "worse"


def test_an_export_whose_answers_are_no_numbers_is_refused_whatever_is_allowed(run, lossy):
    lossy(not_finite, worst=1e9)
    with pytest.raises((Refusal, Problems)):
        export(run, "merged")
    assert refused(run) == {"export.broken"}


def test_an_export_that_answers_nothing_is_refused(run, lossy, monkeypatch):
    lossy(nothing, worst=1e9)
    answer = Elsewhere.answers
    monkeypatch.setattr(Elsewhere, "answers",
                        lambda self, prompts, limits: ((index, ()) for index, _ in answer(self, prompts, limits)))
    with pytest.raises((Refusal, Problems)):
        export(run, "merged", output=None)
    assert refused(run) == {"export.broken"}


def test_the_interval_is_the_one_that_the_runs_own_verdict_is_made_with(run, lossy, monkeypatch, tmp_path):
    seen, judge = [], verdict.judge
    monkeypatch.setattr(verdict, "judge", lambda *given, **told: seen.append((given, told)) or judge(*given, **told))
    lossy(a_little_off)
    one = export(run, "merged", output=tmp_path / "out").parity["cost"]["metrics"]["loss"]
    [((own, export_said, examples, *_), told)] = seen
    statistics = [np.array([loss.measure(side[row], examples[row], loss.Settings()) for row in sorted(side)])
                  for side in (own, export_said)]
    same = paired(loss, *statistics, [examples[row].group for row in sorted(own)], seed=told["seed"])
    assert (one["low"], one["high"], one["difference"]) == (same.low, same.high, same.difference)
    assert one["against"] == pytest.approx(json.loads((run / "verdict.json").read_text())["metrics"]["loss"]["tuned"])


def test_nobodys_rows_leave_with_the_verdict(run, lossy, tmp_path):
    lossy(nothing)
    export(run, "merged", output=tmp_path / "out")
    assert "hats has Anna" not in (tmp_path / "out" / "verdict.json").read_text()


def test_a_difference_that_is_all_rounding_is_called_none():
    def one(low: float, high: float) -> Measured:
        return Measured(2.0, 2.0 + low, low, low, high, 30, 30)

    metrics = {"loss": loss, "perplexity": perplexity}
    beside = Finding("warning", "verdict.also_worse", "`perplexity` is worse", "perplexity")
    noise = Verdict("worse", "loss", "run", {"loss": one(1e-7, 2e-7), "perplexity": one(1e-7, 3e-7)}, (), (beside,))
    told = cost._but_for_rounding(noise, metrics)
    assert told.word == "not proven" and told.metrics["loss"].low == 0 and not told.findings
    real = Verdict("worse", "loss", "run", {"loss": one(1e-3, 2e-3)}, (), ())
    assert cost._but_for_rounding(real, metrics) == real


@pytest.mark.parametrize(("task", "data"), [("classify", labelled), ("tag", tagged)])
def test_the_metrics_of_a_head_are_measured_as_the_run_measures_them(task, data, lossy, tmp_path):
    lossy(nothing)
    run = run_on(tiny_encoder(tmp_path / "base"), tmp_path / "run", "training.steps=20", task=task,
                 data={"train": str(data(tmp_path)), "test": 0.3}, adapter={"type": "full"})
    found = export(run, "merged").parity["cost"]
    own = json.loads((run / "verdict.json").read_text())
    assert found["primary"] == own["primary"] and found["metrics"].keys() == own["metrics"].keys()
    for name, one in found["metrics"].items():
        assert one["against"] == pytest.approx(own["metrics"][name]["tuned"], abs=1e-6), name
        assert abs(one["difference"]) < 1e-6, name


@pytest.mark.parametrize("task", ["embed", "masked"])
def test_networks_that_read_texts_are_measured_by_what_the_other_program_says(task, lossy, tmp_path):
    lossy(nothing)
    data = {} if task == "embed" else {"data": {"train": str(texts(tmp_path)), "test": 0.3}}
    run = run_on(tiny_encoder(tmp_path / "base"), tmp_path / "run", task=task, adapter={"type": "full"}, **data)
    found = export(run, "merged").parity["cost"]
    own = json.loads((run / "verdict.json").read_text())
    for name, one in found["metrics"].items():
        assert one["against"] == pytest.approx(own["metrics"][name]["tuned"], rel=1e-5), name
        assert abs(one["difference"]) <= 1e-6 * max(1, one["against"]), name


def texts(folder: Path) -> Path:
    """Plain texts."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"{SENTENCES[n % 5]} {n}"}) + "\n" for n in range(40)))
    return path


def test_rows_that_were_learnt_stand_in_where_none_were_held_out_and_that_is_said(lossy, tmp_path, capsys):
    lossy(nothing)
    run = run_on(tiny_base(tmp_path / "base"), tmp_path / "run", "data.test=0", "data.validation=0")
    assert main(["export", str(run), "merged"]) == 0
    assert "measured on training rows" in "".join(capsys.readouterr())

