"""Reading a recipe: short forms, defaults, and mistakes that are told all at once."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tunesmith.errors import Misuse, Problem, Problems
from tunesmith.recipe.lines import spell
from tunesmith.recipe.options import every
from tunesmith.recipe.other_programs import OURS
from tunesmith.recipe.read import parse, read

SHORT = "base: smollm2-135m-instruct\ntask: chat\ndata: {train: orders.jsonl}\n"


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe file and gives its path."""
    def write(text: str, name: str = "orders.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def mistakes(path, overrides=()) -> list[Problem]:
    with pytest.raises((Problems, Misuse)) as caught:
        read(path, overrides)
    error = caught.value
    return list(error.problems) if isinstance(error, Problems) else [error]


def only(path, overrides=()) -> Problem:
    found = mistakes(path, overrides)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]


def test_base_task_and_data_are_enough(recipe):
    found = read(recipe(SHORT))
    assert found.base.name == "smollm2-135m-instruct"
    assert (found.task.type, found.adapter.type, found.training.optimiser.type) == ("chat", "lora", "adamw")
    assert (found.data.validation, found.data.test) == (0.1, 0.1)


def test_the_recipe_of_the_manual_is_read_as_it_stands(recipe):
    found = read(recipe("""
        base: smollm2-135m-instruct      # a starter
        task: chat
        data: {train: orders.jsonl, validation: 0.1, test: 0.1}
        adapter: {type: lora, rank: 16, alpha: 32, targets: all-linear}
        training: {learning_rate: 2e-4, epochs: 3, batch_size: 8, max_length: 1024, save_every: 100, seed: 0}
        evaluation: {generate: 32, max_new_tokens: 128}
        run: {folder: runs, name: orders}
        """))
    assert found.training.learning_rate == 0.0002
    assert (found.adapter.settings.rank, found.adapter.settings.targets) == (16, "all-linear")
    assert (found.run.folder, found.run.name) == ("runs", "orders")


def test_short_and_long_forms_are_the_same_recipe(recipe):
    long = SHORT.replace("base: smollm2-135m-instruct", "base: {name: smollm2-135m-instruct}")
    long = long.replace("task: chat", "task: {type: chat}") + "adapter: {type: full}\n"
    assert read(recipe(SHORT + "adapter: full\n")) == read(recipe(long))


def test_a_section_carries_the_module_of_the_file_that_it_names(recipe):
    adapter = read(recipe(SHORT + "adapter: {rank: 4}\n")).adapter
    assert adapter.module.__name__ == "tunesmith.models.adapters.lora"
    assert isinstance(adapter.settings, adapter.module.Settings)
    assert adapter.settings.rank == 4


def test_a_section_with_nothing_below_it_is_left_at_its_defaults(recipe):
    assert read(recipe(SHORT + "training:\nevaluation:\n")).training.batch_size == 8


def test_a_read_recipe_cannot_be_changed(recipe):
    with pytest.raises(ValueError, match="frozen"):
        read(recipe(SHORT)).training.seed = 1


def test_paths_count_from_the_folder_of_the_recipe(recipe, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = recipe("base: x\ntask: chat\ndata: {train: [a.jsonl, ../b/*.csv], test: c.jsonl, template: mine.jinja}\n")
    monkeypatch.chdir(elsewhere)
    data = read(path).data
    assert data.train == (str(tmp_path / "a.jsonl"), str(tmp_path.parent / "b" / "*.csv"))
    assert data.test == (str(tmp_path / "c.jsonl"),)
    assert data.template == str(tmp_path / "mine.jinja")


def test_paths_on_the_command_line_count_from_the_current_folder(recipe, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert read(recipe(SHORT), ["data.train=own.jsonl"]).data.train == (str(elsewhere / "own.jsonl"),)


def test_names_that_are_no_paths_stay_names(recipe):
    found = read(recipe(SHORT + "run: {folder: kept}\n"), ["data.template=chatml"])
    assert (found.base.name, found.data.template, found.run.folder) == ("smollm2-135m-instruct", "chatml", "kept")


def test_a_base_beside_the_recipe_is_found_from_anywhere(recipe, tmp_path, monkeypatch):
    (tmp_path / "models" / "own").mkdir(parents=True)
    path = recipe(SHORT.replace("smollm2-135m-instruct", "models/own"))
    monkeypatch.chdir("/")
    assert read(path).base.name == str(tmp_path / "models" / "own")


@pytest.mark.parametrize("name", ["~nobody-of-that-name/model", "a/" + "b" * 5000, "org/model"])
def test_a_base_that_is_no_path_here_keeps_its_name(recipe, name):
    assert read(recipe(SHORT.replace("smollm2-135m-instruct", name))).base.name == name


def test_a_run_is_called_as_its_recipe_where_nothing_names_it(recipe):
    assert read(recipe(SHORT, "my orders (2).yaml")).run.name == "my-orders--2-"
    assert read(recipe(SHORT + "run: {name: mine}\n")).run.name == "mine"


def test_a_whole_number_may_be_written_where_a_number_is_wanted(recipe):
    assert read(recipe(SHORT + "training: {epochs: 3, learning_rate: 1e-4}\n")).training.learning_rate == 1e-4


def test_a_date_is_text(recipe):
    assert read(recipe(SHORT + "run: {name: 2026-11-21}\n")).run.name == "2026-11-21"


@pytest.mark.parametrize(("line", "what", "remedy"), [
    ("training: {lerning_rate: 1}", "there is no option `training.lerning_rate`", "use `training.learning_rate`"),
    ("learning_rate: 1", "there is no option `learning_rate`", "use `training.learning_rate`"),
    ("evaluation: {rank: 3}", "there is no option `evaluation.rank`", "use `adapter.rank`"),
    ("training: {lr: 1}", "there is no option `training.lr`", "use `training.learning_rate`"),
    ("training: {gradient_accumulation_steps: 4}", "there is no option `training.gradient_accumulation_steps`",
     "use `training.batch_size`"),
    ("adapter: {r: 8}", "there is no option `adapter.r`", "use `adapter.rank`"),
    ("adapter: {rnk: 3}", "there is no option `adapter.rnk`", "use `adapter.rank`"),
    ("trainning: {seed: 1}", "there is no option `trainning`", "use `training`"),
    ("training: {optimiser: {wait_decay: 0}}", "there is no option `training.optimiser.wait_decay`",
     "use `training.optimiser.weight_decay`"),
    ("adapter: {type: loar}", "`adapter`: there is no adapter `loar`", "use `lora`"),
    ("evaluation: {metric: exakt_match}", "`evaluation.metric`: there is no metric `exakt_match`", "use `exact_match`"),
    ("training: {schedule: cosin}", "`training.schedule` must be `cosine`, `linear` or `constant`; it is `cosin`",
     "use `cosine`"),
    ("training: {epochs: three}", "`training.epochs` must be a number above 0 and at most 10,000; `three` is text",
     "see `tunesmith explain training.epochs`"),
    ("training: {seed: 1.5}", "`training.seed` must be a whole number from 0 to 4,294,967,295; it is `1.5`",
     "see `tunesmith explain training.seed`"),
    ("training: {warmup: 1.5}", "`training.warmup` must be a number from 0 to 1; it is `1.5`",
     "see `tunesmith explain training.warmup`"),
    ("training: {learning_rate: .nan}",
     "`training.learning_rate` must be a number above 0 and at most 1; it is `NaN`",
     "see `tunesmith explain training.learning_rate`"),
    ("training: {batch_size: yes}", "`training.batch_size` must be a whole number from 1 to 1,000,000; `yes` is text",
     "see `tunesmith explain training.batch_size`"),
    ("training: {batch_size: true}",
     "`training.batch_size` must be a whole number from 1 to 1,000,000; `true` is true or false",
     "see `tunesmith explain training.batch_size`"),
    ("training: 3", "`training` must be a section: a mapping of options; `3` is a number",
     "see `tunesmith explain training`"),
    ("adapter: {targets: [1]}", "`adapter.targets` must be `all-linear` or a list of text; it is `[1]`",
     "see `tunesmith explain adapter.targets`"),
    ("run: {name: ../up}", "`run.name` must be text of at most 50 characters like `orders-2`; it is `../up`",
     "see `tunesmith explain run.name`"),
])
def test_a_mistake_says_what_is_wrong_where_and_what_to_do(recipe, line, what, remedy):
    path = recipe(SHORT + line + "\n")
    found = only(path)
    assert (found.what, found.where, found.remedy) == (what, f"{path}:4", remedy)


@pytest.mark.parametrize(("options", "what"), [
    ("validation: 0.5, test: 0.5", "`data.validation` (0.5) and `data.test` (0.5) leave no row to train on"),
    ("validation: -0.1", "`data.validation` must be a share from 0 to below 1, a file, or a list of files; "
                         "`-0.1` is a number"),
    ("test: 1", "`data.test` must be a share from 0 to below 1, a file, or a list of files; `1` is a number"),
    ("test: []", "`data.test` must be a file, folder or glob, or a list of them; it is `[]`"),
    ("test: ./a.jsonl", "`a.jsonl` is both `data.train` and `data.test`"),
    ("test: a.jsonl", "`a.jsonl` is both `data.train` and `data.test`"),
    ("columns: {prompt: 3}", "`data.columns` must be a mapping of names to values; it is `{\"prompt\": 3}`"),
])
def test_data_that_cannot_be_held_out_so_is_refused(recipe, options, what):
    assert only(recipe(f"base: x\ntask: chat\ndata: {{train: a.jsonl, {options}}}\n")).what == what


@pytest.mark.parametrize(("lines", "what"), [
    ("evaluation: {generate: 0, metric: rouge_l}", "`evaluation.metric: rouge_l` reads generated answers"),
    ("training: {patience: 3}", "`training.patience` counts evaluations on the way"),
    ("evaluation: {every: 5}\ntraining: {patience: 3}", "`training.patience` needs validation rows"),
    ("evaluation: {every: 5}", "`evaluation.every` needs validation rows"),
])
def test_options_that_are_impossible_together_are_refused(recipe, lines, what):
    nothing_to_validate = "needs validation rows" in what
    text = SHORT.replace("}", ", validation: 0}") if nothing_to_validate else SHORT
    assert any(found.what.startswith(what) for found in mistakes(recipe(text + lines + "\n")))


def test_a_metric_of_the_loss_needs_no_answers(recipe):
    assert read(recipe(SHORT + "evaluation: {generate: 0, metric: perplexity}\n")).evaluation.metric == "perplexity"


def test_all_mistakes_come_at_once_each_at_its_own_line(recipe):
    path = recipe("""\
        base: {nme: x}
        task: {type: chta}
        data:
          train: a.jsonl
          validation: 0.6
          test: 0.6
        training:
          lerning_rate: 1
          epochs: three
        adapter: {rank: big}
        """)
    found = {problem.what.split(";")[0]: problem.where for problem in mistakes(path)}
    assert {where.removeprefix(f"{path}:") for where in found.values()} == {"1", "2", "6", "8", "9", "10"}
    assert len(found) == 6


def test_a_misspelt_option_is_not_reported_as_missing_too(recipe):
    assert only(recipe("base: x\ntask: chat\ndata: {trian: a.jsonl}\n")).what == "there is no option `data.trian`"


def test_missing_options_are_named(recipe):
    assert [found.what for found in mistakes(recipe("data: {test: 0.1}\n"))] == [
        "`base` is missing", "`task` is missing", "`data.train` is missing"]


def test_a_combination_is_not_judged_by_a_value_that_is_wrong_itself(recipe):
    assert only(recipe(SHORT + "evaluation: {generate: many, metric: rouge_l}\n")).what.startswith(
        "`evaluation.generate` must be")


def test_a_method_of_ones_own_is_named_with_dots(recipe, tmp_path, monkeypatch):
    package = tmp_path / "mypackage_of_tasks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "own.py").write_text(
        "from pydantic import BaseModel, model_validator\n"
        "from pydantic_core import PydanticCustomError\n"
        "class Settings(BaseModel):\n"
        "    low: int = 0\n"
        "    high: int = 9\n"
        "    @model_validator(mode='after')\n"
        "    def order(self):\n"
        "        if self.low > self.high:\n"
        "            raise ValueError('`low` is above `high`')\n"
        "        return self\n"
        "    @model_validator(mode='after')\n"
        "    def even(self):\n"
        "        if self.high % 2 == 0:\n"
        "            raise PydanticCustomError('odd', '`high` must be odd')\n"
        "        return self\n")
    (package / "bare.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    own = SHORT.replace("task: chat", "task: {type: mypackage_of_tasks.own, low: 3}")
    assert read(recipe(own)).task.settings.low == 3
    assert only(recipe(own.replace("low: 3", "lwo: 3"))).remedy == "use `task.low`"
    assert only(recipe(own.replace("low: 3", "low: 33"))).what == "`task`: `low` is above `high`"
    assert only(recipe(own.replace("low: 3", "high: 4"))).what == "`task`: `high` must be odd"
    assert "has no pydantic model `Settings`" in only(recipe(own.replace("own, low: 3", "bare"))).what
    assert only(recipe(own.replace("own, low: 3", "gone"))).kind == "task.unknown"


@pytest.mark.parametrize("name", ["..", "a..b", ".chat", "chat.", "a b.c", "x/y", "_chat"])
def test_a_name_that_can_be_no_module_is_unknown(recipe, name):
    assert only(recipe(SHORT.replace("task: chat", f"task: {{type: '{name}'}}"))).kind == "task.unknown"


def test_values_of_a_program_are_read_without_a_file(tmp_path):
    values = {"base": "x", "task": "chat", "data": {"train": [tmp_path / "a.jsonl"]}}
    assert parse(values, source="a test").data.train == (str(tmp_path / "a.jsonl"),)
    assert parse(values, source="a test", overrides=["training.seed=3"]).training.seed == 3


def test_the_values_of_a_program_are_left_as_they_were():
    values = {"base": "x", "task": "chat", "data": {"train": "a"}}
    parse(values, source="a test", overrides=["task=completion"])
    assert values == {"base": "x", "task": "chat", "data": {"train": "a"}}


def test_values_that_yaml_does_not_hold_are_named():
    with pytest.raises(Misuse, match="is a set, which YAML does not hold") as caught:
        parse({"base": "x", "task": "chat", "data": {"train": "a", "system": {1}}}, source="a test")
    assert caught.value.where == "a test"


def test_the_room_loads_no_torch():
    code = ("import sys, tunesmith.recipe.read, tunesmith.recipe.write, tunesmith.recipe.schema, "
            "tunesmith.recipe.explain as e; e.option('training.learning_rate'); sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_names_of_other_programs_lead_to_options_that_there_are():
    known = {spell(path) for path in every({})}
    assert set(OURS.values()) <= known and not set(OURS) & known


def test_a_base_under_another_name_is_one_mistake(recipe):
    found = mistakes(recipe(SHORT.replace("base:", "base_model:").replace("data: {", "data: {type: alpaca, ")))
    assert sorted(problem.remedy for problem in found) == ["use `base`", "use `data.format`"]
