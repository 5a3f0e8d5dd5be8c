"""The whole story on a tiny model: init, check, preview, train, evaluate, chat, list, with the promised answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telling import Told, process, tunesmith
from tiny import tiny_base

QUICK = ("training.steps=4", "training.save_every=2", "evaluation.generate=4", "evaluation.max_new_tokens=6")
METRIC = {"against", "tuned", "difference", "low", "high", "rows", "groups", "rows_needed"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A folder with a base and a file of questions and answers."""
    folder = tmp_path_factory.mktemp("shop")
    tiny_base(folder / "base")
    rows = [{"question": f"How many hats has Anna after {n}?", "answer": f"Anna has {n + 2} hats."} for n in range(60)]
    (folder / "hats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def recipe(shop) -> Path:
    """The recipe that `init` writes, with the run's folder inside the shop."""
    path = shop / "hats.yaml"
    assert tunesmith("init", shop / "hats.jsonl", "--output", path, "--base", shop / "base").code == 0
    path.write_text(path.read_text().replace("folder: runs", f"folder: {shop / 'runs'}"))
    return path


@pytest.fixture(scope="module")
def trained(recipe) -> Told:
    return tunesmith("train", recipe, *QUICK, "--json")


@pytest.fixture(scope="module")
def run(trained) -> Path:
    return Path(trained.json["run"])


def test_init_recognises_the_data_and_names_the_next_command(shop, tmp_path):
    told = tunesmith("init", shop / "hats.jsonl", "--output", tmp_path / "r.yaml", "--json")
    assert told.code == 0
    assert told.json["format"] == "pair"
    assert told.json["examples"] == 60
    assert told.json["next"] == f"tunesmith check {tmp_path / 'r.yaml'}"
    assert "base: smollm2-135m-instruct" in (tmp_path / "r.yaml").read_text()


def test_init_never_writes_over_a_recipe(recipe, shop):
    before = recipe.read_text()
    told = tunesmith("init", shop / "hats.jsonl", "--output", recipe)
    assert told.code == 2
    assert "exists already" in told.err
    assert recipe.read_text() == before


def test_check_says_what_is_supervised_and_how_the_rows_are_split(recipe):
    told = tunesmith("check", recipe, "--json")
    assert told.code == 0
    assert told.json.keys() == {
        "ok", "findings", "supervised", "rows", "layout", "sources", "also", "audit", "amounts", "facts",
        "split"}
    assert told.json["ok"] is True
    assert told.json["supervised"].keys() == {"tokens", "share", "by_role"}
    assert 0 < told.json["supervised"]["share"] < 1
    assert told.json["rows"].keys() == {"train", "validation", "test"}
    assert sum(told.json["rows"].values()) == 60
    assert all(found.keys() == {"severity", "kind", "what", "where", "remedy"} for found in told.json["findings"])


def test_preview_shows_tokens_that_spell_the_text(recipe):
    shown = tunesmith("preview", recipe, "--rows", 3, "--json").json
    assert len(shown) == 3
    for each in shown:
        assert each.keys() == {"where", "side", "text", "tokens"}
        assert "".join(token["text"] for token in each["tokens"]) == each["text"]
        supervised = "".join(token["text"] for token in each["tokens"] if token["supervised"])
        assert supervised.startswith("Anna has ") and supervised.endswith("hats.<|im_end|>")


def test_preview_in_a_pipe_marks_what_is_supervised_with_brackets(recipe):
    told = tunesmith("preview", recipe, "--rows", 1)
    assert told.code == 0
    assert "⟦Anna has " in told.out and " hats.<|im_end|>⟧" in told.out


def test_preview_of_one_row_shows_its_stages(recipe, shop):
    told = tunesmith("preview", recipe, "--row", f"{shop / 'hats.jsonl'}:7")
    assert told.code == 0
    assert '"question": "How many hats has Anna after 6?"' in told.out
    assert "⟦Anna has 8 hats." in told.out


def test_train_answers_with_run_step_loss_and_verdict(trained):
    assert trained.code == 0, trained.err
    facts = trained.json
    assert facts.keys() == {"run", "step", "loss", "tokens", "seconds", "stopped", "verdict"}
    assert (facts["step"], facts["stopped"]) == (4, "done")
    assert facts["loss"] > 0 and facts["tokens"] > 0 and facts["seconds"] > 0
    assert facts["verdict"] in ("better", "worse", "not proven")
    assert "step 4/4" in trained.err


def test_the_run_folder_holds_what_it_should(run):
    for name in ("recipe.yaml", "lineage.json", "check.json", "check.html", "records.jsonl", "timings.jsonl",
                 "verdict.json", "verdict.md", "verdict.html", "checkpoints/step-00000004/manifest.json"):
        assert (run / name).is_file(), name
    steps = [record for record in map(json.loads, (run / "records.jsonl").read_text().splitlines())
             if record["kind"] == "step"]
    assert [record["step"] for record in steps] == [1, 2, 3, 4]
    assert all(record["loss"] > 0 for record in steps)
    timings = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()]
    assert any({"step", "tokens", "seconds", "memory_bytes"} <= timing.keys() for timing in timings)


def test_evaluate_answers_with_the_verdict_and_its_intervals(run):
    told = tunesmith("evaluate", run, "--json")
    assert told.code == 0, told.err
    assert {"verdict", "primary", "against", "metrics", "examples"} <= told.json.keys()
    assert told.json["primary"] == "loss" and told.json["against"] == "base"
    assert all(measured.keys() == METRIC for measured in told.json["metrics"].values())
    assert 0 < len(told.json["examples"]) <= 8


def test_evaluate_for_a_person_names_the_metric_that_decides(run):
    told = tunesmith("evaluate", run)
    assert told.out.startswith("verdict: ")
    assert "(decides)" in told.out


def test_chat_answers_a_prompt_once(run):
    told = tunesmith("chat", run, "How many hats?", "--max-new-tokens", 5, "--json")
    assert told.code == 0, told.err
    assert told.json.keys() == {"text", "stopped_by", "tokens"}
    assert told.json["stopped_by"] in ("end", "length")
    assert 1 <= told.json["tokens"] <= 5


def test_chat_reads_a_prompt_from_stdin_and_says_the_same(run):
    words = ("--max-new-tokens", 5, "--json")
    assert tunesmith("chat", run, *words, says="How many hats?\n").json == \
        tunesmith("chat", run, "How many hats?", *words).json


def test_chat_lets_hear_the_base_beside_the_tuned(run):
    told = tunesmith("chat", run, "How many hats?", "--base", "--max-new-tokens", 5)
    assert told.code == 0, told.err
    assert told.out.startswith("base:\n") and "tuned:\n" in told.out


def test_chat_with_a_seed_repeats_itself_and_a_system_prompt_is_heard(run):
    words = ("chat", run, "How many?", "--temperature", 1, "--max-new-tokens", 8, "--json", "--seed")
    assert tunesmith(*words, 5).json == tunesmith(*words, 5).json
    assert len({tunesmith(*words, seed).json["text"] for seed in range(4)}) > 1
    assert tunesmith(*words, 5, "--system", "Count in Baku.").json != tunesmith(*words, 5).json


def test_chat_without_words_is_a_mistake_with_json(run):
    assert tunesmith("chat", run, "--json").json["errors"][0]["kind"] == "chat.no_prompt"


def test_list_knows_the_run(run, shop):
    [listed] = [each for each in tunesmith("list", shop / "runs", "--json").json if each["run"] == str(run)]
    assert listed.keys() == {"run", "task", "base", "steps", "finished", "verdict"}
    assert (listed["task"], listed["steps"], listed["finished"]) == ("chat", 4, True)
    assert listed["verdict"] in ("better", "worse", "not proven")


def test_a_finished_run_says_so_when_it_is_resumed(run):
    told = tunesmith("train", "--resume", run)
    assert told.code == 0
    assert "finished" in told.err + told.out or "done" in told.err + told.out


def test_resume_auto_begins_a_run_where_there_is_none_to_go_on_with(recipe, shop):
    words = ("train", recipe, *QUICK, f"run.folder={shop / 'auto'}", "evaluation.generate=0", "--resume", "auto")
    first = tunesmith(*words, "--json")
    assert first.code == 0, first.err
    assert first.json["step"] == 4


def test_explain_tells_where_each_value_comes_from(recipe):
    told = tunesmith("explain", recipe, "training.epochs=2", "--json")
    assert told.code == 0
    assert told.json["training.epochs"]["value"] == 2
    assert "command line" in told.json["training.epochs"]["origin"]
    assert told.json["training.clip"]["origin"] == "default"
    assert told.json["task.type"]["origin"].startswith(f"{recipe}:")


def test_explain_tells_what_an_option_is(recipe):
    told = tunesmith("explain", "training.learning_rate")
    assert told.code == 0
    assert "1e-4 to 5e-4" in told.out
    assert tunesmith("explain", "training.learning_rate", "--json").json["option"] == "training.learning_rate"


def test_schema_is_a_json_schema_of_every_section():
    told = tunesmith("schema", "--json")
    assert told.code == 0
    assert {"base", "task", "data", "adapter", "training", "evaluation", "run"} <= told.json["properties"].keys()
    assert json.loads(tunesmith("schema").out) == told.json


def test_doctor_reports_the_machine_and_its_libraries():
    told = tunesmith("doctor", "--json")
    assert told.code == 0, told.err
    assert told.json["missing"] == []
    assert told.json["libraries"]["torch"]
    assert told.json["cores"] >= 1 and told.json["memory_bytes"] > 10**8
    assert set(told.json["starters"]) == {"smollm2-135m-instruct", "minilm-l6"}


def test_the_command_as_a_person_starts_it_trains_and_speaks(recipe, shop):
    told = process("train", recipe.name, *QUICK, "evaluation.generate=0", f"run.folder={shop / 'own'}", folder=shop)
    assert told.code == 0, told.err
    assert "verdict: " in told.out and "tunesmith chat" in told.out
    [run] = (shop / "own").iterdir()
    spoken = process("chat", run, "--max-new-tokens", 4, "--json", folder=shop, says="How many hats?")
    assert spoken.code == 0, spoken.err
    assert spoken.json["tokens"] <= 4
