"""The Python face: a recipe in, a run out, or the steps of a loop of one's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import tunesmith
from tiny import tiny_base
from tunesmith.losses.likelihood import negative_log_likelihood
from tunesmith.workflow.tuning.train import train as told


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A folder with a base, rows and a recipe."""
    folder = tmp_path_factory.mktemp("shop")
    tiny_base(folder / "base")
    rows = [{"prompt": f"How many hats has Anna after {n}?", "answer": f"Anna has {n + 2} hats."} for n in range(40)]
    (folder / "hats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "hats.yaml").write_text(text(folder))
    return folder


def text(folder: Path) -> str:
    return (f"base: ./base\ntask: chat\ndata: {{train: hats.jsonl, validation: 0.2, test: 0.2, system: Count.}}\n"
            "adapter: {type: lora, rank: 4}\n"
            "training: {learning_rate: 1e-2, steps: 6, batch_size: 4, max_length: 128, save_every: 3}\n"
            "evaluation: {generate: 4, max_new_tokens: 6}\n"
            f"run: {{folder: {folder / 'runs'}, name: hats}}\n")


@pytest.fixture(scope="module")
def recipe(shop):
    return tunesmith.load_recipe(shop / "hats.yaml")


@pytest.fixture(scope="module")
def run(recipe) -> tunesmith.Run:
    return tunesmith.train(recipe)


def test_a_recipe_is_the_same_from_a_file_from_text_and_from_values(shop, recipe):
    from ruamel.yaml import YAML

    values = YAML(typ="safe").load(text(shop))
    assert tunesmith.load_recipe(text(shop), folder=shop) == recipe
    assert tunesmith.load_recipe(values, folder=shop) == recipe
    assert tunesmith.load_recipe(str(shop / "hats.yaml")) == recipe


def test_overrides_are_words_or_values(shop):
    words = tunesmith.load_recipe(shop / "hats.yaml", ["training.epochs=1"])
    values = tunesmith.load_recipe(shop / "hats.yaml", {"training.epochs": 1, "data.system": "It's: 'so'"})
    assert words.training.epochs == values.training.epochs == 1
    assert values.data.system == "It's: 'so'"
    assert tunesmith.load_recipe(shop / "hats.yaml", {"data.system": None}).data.system is None


def test_every_mistake_of_a_recipe_in_text_has_its_line():
    with pytest.raises(tunesmith.Problems) as caught:
        tunesmith.load_recipe("base: x\ntask: chat\ndata: {train: a.jsonl}\ntraining:\n  epochs: 0\n  rats: 1\n")
    assert [problem.where for problem in caught.value.problems] == ["recipe:5", "recipe:6"]


def test_check_gives_findings_and_trains_nothing(recipe, shop):
    report = tunesmith.check(recipe)
    assert isinstance(report, tunesmith.CheckReport) and report.ok
    assert sum(report.rows.values()) == 40
    assert all(isinstance(finding, tunesmith.Finding) for finding in report.findings)


def test_a_run_tells_what_its_files_tell(run, recipe):
    assert run.finished and run.recipe == recipe
    kept = json.loads((run.folder / "verdict.json").read_text())
    assert isinstance(run.verdict, tunesmith.Verdict) and run.verdict.word == kept["verdict"]
    assert run.records == [json.loads(line) for line in (run.folder / "records.jsonl").read_text().splitlines()]
    assert [each["step"] for each in run.records if each["kind"] == "step"] == [1, 2, 3, 4, 5, 6]
    assert tunesmith.Run(str(run.folder)) == run


def test_a_run_answers_as_the_verdict_has_it(run):
    told = {example["prompt"]: example for example in run.verdict.examples}
    assert run.generate(list(told), max_new_tokens=6) == [each["tuned"] for each in told.values()]
    assert run.generate(list(told), max_new_tokens=6, base=True) == [each["against"] for each in told.values()]


def test_a_run_answers_turns_as_it_answers_their_text(run):
    turns = [{"role": "user", "content": "How many hats?"}]
    assert run.generate([turns], max_new_tokens=6) == run.generate(["How many hats?"], max_new_tokens=6)
    assert run.generate([], max_new_tokens=6) == []


def test_a_prompt_that_cannot_be_answered_is_named(run):
    with pytest.raises(tunesmith.Problem, match="prompt 1 is empty, or fills"):
        run.generate(["How many?", "hats " * 600])


def test_an_evaluation_again_gives_the_same_verdict(run):
    assert tunesmith.evaluate(run).metrics == run.verdict.metrics


def test_a_finished_run_is_given_back_by_resume(run):
    assert tunesmith.resume(run) == run
    assert tunesmith.train(run.recipe, resume=run.folder) == run


def test_a_run_leaves_for_other_programs(run):
    left = run.export("merged", prompts=2)
    assert left.folder == (run.folder / "exports" / "merged").absolute() and (left.folder / "config.json").is_file()
    with pytest.raises(tunesmith.Problem, match="merjed"):
        run.export("merjed")


def test_what_is_no_run_is_refused_with_the_nearest(shop, run):
    with pytest.raises(tunesmith.Problem) as caught:
        tunesmith.Run(shop / "runs")
    assert caught.value.exit_code == 2 and str(run.folder) in caught.value.remedy


def test_the_face_says_nothing_by_itself(recipe, shop, capfd):
    made = tunesmith.train(tunesmith.load_recipe(shop / "hats.yaml", {"training.steps": 1, "evaluation.generate": 0}))
    assert made.verdict.word
    assert capfd.readouterr() == ("", "")


def test_steps_are_those_of_training(recipe, run):
    steps = tunesmith.steps(recipe)
    assert steps.total == 6
    taken = list(steps)
    assert all(isinstance(step, tunesmith.Step) for step in taken)
    assert [step.loss for step in taken] == [each["loss"] for each in run.records if each["kind"] == "step"]


def test_nothing_is_written_before_the_steps_are_finished(recipe, shop):
    before = sorted((shop / "runs").iterdir())
    steps = tunesmith.steps(recipe)
    first = steps.measure()
    for step in steps:
        if step.number == 4:
            break
    assert steps.measure() < first
    assert sorted((shop / "runs").iterdir()) == before


def test_steps_that_are_finished_are_a_run_with_a_verdict(recipe, run):
    steps = tunesmith.steps(recipe)
    finished = [step for step in steps] and steps.finish()
    assert finished.finished and finished.verdict.metrics == run.verdict.metrics
    assert [each for each in finished.records if each["kind"] == "step"] == \
        [each for each in run.records if each["kind"] == "step"]
    assert steps.finish() is finished and list(steps) == []
    assert json.loads((finished.folder / "lineage.json").read_text())["chosen"]["loop"] == "a program's own"


def test_steps_without_a_step_are_no_run(recipe):
    with pytest.raises(tunesmith.Problem, match="no step was taken"):
        tunesmith.steps(recipe).finish()


def test_a_side_without_rows_cannot_be_measured(shop):
    steps = tunesmith.steps(tunesmith.load_recipe(shop / "hats.yaml", {"data.validation": 0}))
    with pytest.raises(tunesmith.Problem, match="`validation` has no rows"):
        steps.measure()


def test_a_loss_of_ones_own_is_learnt_from_and_said(recipe):
    def twice(model, batch):
        found = negative_log_likelihood(model.log_probabilities(batch), batch)
        return tunesmith.Loss(2 * found.terms, found.weights)

    plain, own = next(tunesmith.steps(recipe)), tunesmith.steps(recipe, loss=twice)
    assert next(own).loss == pytest.approx(2 * plain.loss)
    assert json.loads((own.finish().folder / "lineage.json").read_text())["chosen"]["loss"] == "a program's own"


def test_the_model_in_training_is_within_reach(recipe):
    steps = tunesmith.steps(recipe)
    before = {name: weight.detach().clone() for name, weight in steps.model.learns.items()}
    next(steps)
    assert any(not torch.equal(before[name], weight) for name, weight in steps.model.learns.items())


@pytest.mark.parametrize("name", ["load_recipe", "train", "steps"])
def test_what_is_raised_is_told(name):
    assert "Raises" in vars(tunesmith)["__getattr__"](name).__doc__


def test_the_command_line_and_the_face_train_alike(recipe, run):
    lines = told(recipe).run / "records.jsonl"
    assert lines.read_bytes() == (run.folder / "records.jsonl").read_bytes()
    assert re.match(r"\d{4}-\d\d-\d\d-hats-", lines.parent.name)
