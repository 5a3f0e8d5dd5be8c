"""The loop closes: rows that a drifted log gives, labelled and trained on from the run, raise the verdict there."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from tunesmith.cli import main
from tunesmith.contracts import Given
from tunesmith.evaluation import verdict
from tunesmith.inference import predictor
from tunesmith.metrics import accuracy
from tunesmith.monitoring.log import Seen, open_log
from tunesmith.recipe.monitoring import Monitoring
from tunesmith.recipe.read import parse, read
from tunesmith.records import Labelled, Prediction
from tunesmith.workflow.tuning.train import train
from watched import FRAMES, run_of, texts

NEW = {"order": ("trouser", "glove", "boot", "skirt", "blazer"), "place": ("quito", "accra", "hanoi", "delhi", "cairo"),
       "money": ("loan", "mortgage", "bond", "salary", "pension")}


def drifted(many: int, seed: int) -> list[tuple[str, str]]:
    """Questions of the same labels about other things."""
    chance = random.Random(seed)
    return [(f"{chance.choice(FRAMES).format(*chance.sample(NEW[label], 2))} no {chance.randrange(1000)}", label)
            for label in (chance.choice(sorted(NEW)) for _ in range(many))]


def said(run: Path, rows: list[tuple[str, str]]) -> tuple[list[Labelled], dict[int, Prediction]]:
    opened, recipe = predictor.open_run(run), read(run / "recipe.yaml")
    examples = [Labelled(text, (label,), str(place), str(place)) for place, (text, label) in enumerate(rows)]
    found = recipe.task.module.predict(opened.model, examples, recipe.task.settings,
                                       given=Given(lambda: opened.codec), max_new_tokens=1, batch_size=16)
    return examples, {one.example: one for one in found}


def test_harvested_rows_labelled_and_trained_on_raise_the_verdict_on_what_drifted(tmp_path, capsys):
    run = run_of(tmp_path, "training.steps=80", "training.learning_rate=3e-3")
    window = [*texts(40, seed=11), *drifted(160, seed=12)]
    _, answers = said(run, window)
    log = open_log(run / "seen.sqlite", Monitoring(keep="text"))
    for place, (text, _) in enumerate(window):
        output = answers[place].output
        log.write(Seen(f"a{place}", time.time(), run.name, "classify", text, output["label"], 5, 0, 0.01,
                       output["scores"][output["label"]], output["label"]))
    log.close()
    rows = tmp_path / "harvest.jsonl"
    assert main(["monitor", str(run), "--harvest", str(rows), "--rows", "100"]) == 3
    capsys.readouterr()
    harvested = [json.loads(line)["text"] for line in rows.read_text().splitlines()]
    assert sum(text in {text for text, _ in window[40:]} for text in harvested) >= 80
    truth = dict(window)
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text("".join(json.dumps({"text": text, "label": truth[text]}) + "\n" for text in harvested))
    after = train(parse({
        "base": {"name": str(run), "dtype": "float32"}, "task": "classify", "adapter": "full",
        "data": {"train": [read(run / "recipe.yaml").data.train[0], str(labelled)], "validation": 0, "test": 0,
                 "near": None},
        "training": {"learning_rate": 3e-3, "steps": 80, "max_length": 64},
        "run": {"folder": str(tmp_path / "runs"), "name": "second"}}, source="test")).run
    kept = drifted(150, seed=13)
    examples, before = said(run, kept)
    found = verdict.judge(before, said(after, kept)[1], examples, {"accuracy": accuracy}, "accuracy",
                          against_name="the run", seed=0)
    assert found.word == "better" and found.metrics["accuracy"].low > 0
