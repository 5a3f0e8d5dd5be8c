"""A toy that a tiny T5 learns: letters into their order, from the recipe to a verdict and predictions."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from test_workflow_train import kept, stop_after

from tiny import tiny_t5
from tunesmith.cli import main
from tunesmith.recipe.read import parse
from tunesmith.workflow.events import silent
from tunesmith.workflow.tuning import train as story

WIDER = {"d_model": 64, "d_kv": 16, "d_ff": 128}


def rows(count: int) -> list[dict[str, str]]:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcde", k=rng.randint(3, 4))) for _ in range(count)]
    return [{"prompt": word, "answer": "".join(sorted(word))} for word in words]


def recipe(folder: Path, base: Path, *, count: int, **sections: Any) -> dict[str, Any]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    return {
        "base": {"name": str(base), "dtype": "float32"}, "task": {"type": "seq2seq", "prefix": "sort: ", "beams": 2},
        "data": {"train": str(folder / "rows.jsonl"), "validation": 0, "test": 0.05}, "adapter": "full",
        "run": {"folder": str(folder / "runs"), "name": "letters"}, **sections,
    }


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has learnt to put letters into their order, trained from the command line."""
    folder = tmp_path_factory.mktemp("letters")
    told = recipe(
        folder, tiny_t5(folder / "base", **WIDER), count=3000,
        training={"learning_rate": 3e-3, "steps": 180, "epochs": 99, "batch_size": 32, "max_length": 16},
        evaluation={"generate": 60, "max_new_tokens": 8, "metric": "exact_match"})
    (folder / "recipe.yaml").write_text(json.dumps(told))
    assert main(["train", str(folder / "recipe.yaml")]) == 0
    [run] = (folder / "runs").iterdir()
    return run


def test_the_toy_is_learnt_and_the_verdict_says_so(learnt: Path) -> None:
    found = json.loads((learnt / "verdict.json").read_text())
    assert (found["verdict"], found["primary"], found["against"]) == ("better", "exact_match", "base")
    measured = found["metrics"]
    assert measured["exact_match"]["tuned"] >= 0.95
    assert measured["exact_match"]["against"] == 0
    assert {"loss", "perplexity", "rouge_l", "bleu", "chrf"} < measured.keys()
    assert "sacrebleu nrefs:var" in (learnt / "verdict.md").read_text()


def test_predictions_come_in_the_rows_order(learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = rows(40)[::-1]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    assert main(["predict", str(learnt), str(tmp_path / "new.jsonl")]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["where"].rpartition(":")[2] for one in told] == [str(number) for number in range(1, 41)]
    right = sum(one["text"] == row["answer"] for one, row in zip(told, asked, strict=True))
    assert right >= 38
    assert {one["stopped_by"] for one in told} == {"end"}


def test_its_export_answers_in_transformers_as_predict_does(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    asked = rows(12)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"prompt": row["prompt"]}) + "\n" for row in asked))
    assert main(["export", str(learnt), "merged"]) == 0
    capsys.readouterr()
    assert main(["predict", str(learnt), str(tmp_path / "new.jsonl")]) == 0
    ours = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    network = AutoModelForSeq2SeqLM.from_pretrained(learnt / "exports" / "merged")
    tokenizer = AutoTokenizer.from_pretrained(learnt / "exports" / "merged")
    assert network.generation_config.num_beams == 2
    found = [network.generate(**tokenizer("sort: " + row["prompt"], return_tensors="pt"), max_new_tokens=8)[0]
             for row in asked]
    assert [tokenizer.decode(ids, skip_special_tokens=True) for ids in found] == ours


def test_init_writes_a_recipe_that_holds_for_pairs_and_such_a_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_t5(tmp_path / "base")
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(30)))
    assert main(["init", "words.jsonl", "--base", "./base", "--output", "words.yaml"]) == 0
    assert "task: seq2seq" in (tmp_path / "words.yaml").read_text()
    assert main(["check", "words.yaml"]) == 0


def test_it_is_not_to_be_spoken_with(learnt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", str(learnt), "ecda"]) == 2
    assert "tunesmith predict" in capsys.readouterr().err


@pytest.mark.parametrize("adapter", ["full", {"type": "lora", "rank": 4}])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(adapter: Any, tmp_path: Path) -> None:
    told = recipe(
        tmp_path, tiny_t5(tmp_path / "base", dropout_rate=0.1), count=80, adapter=adapter,
        training={"learning_rate": 5e-3, "steps": 6, "epochs": 9, "batch_size": 4, "max_length": 16, "save_every": 2},
        evaluation={"every": 2, "generate": 2, "max_new_tokens": 4})
    told["base"]["dropout"], told["data"]["validation"] = 0.1, 0.1
    whole = story.train(parse(told, source="test"), observe=silent)
    stopped = story.train(parse(told, source="test"), observe=stop_after(3, signal.SIGTERM))
    assert stopped.stopped == "signal"
    done = story.resume(stopped.run, observe=silent)
    assert kept(done.run) == kept(whole.run)
    assert done.verdict == whole.verdict
    assert main(["export", str(done.run), "merged" if adapter == "full" else "adapter"]) == 0
