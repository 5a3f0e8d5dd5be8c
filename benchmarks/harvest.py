"""What labelling the rows that `tunesmith monitor --harvest` draws brings, beside as many drawn by chance.

    python benchmarks/harvest.py [--shared FOLDER] [--rows 150] [--seed 0]

SIB-200: topics of English sentences are learnt by minilm-l6. In service a part of the sentences is Azerbaijani. The
rows that are harvested from the log get their true labels, and the run is trained on with them beside its old rows; the
verdict is on other Azerbaijani sentences, and on English ones. No sentence stands on two sides, in either language.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunesmith import cli
from tunesmith.contracts import Given
from tunesmith.evaluation import verdict
from tunesmith.inference import predictor
from tunesmith.metrics import accuracy
from tunesmith.monitoring.log import Seen, open_log
from tunesmith.recipe import read
from tunesmith.records import Labelled, Prediction
from tunesmith.workflow.tuning.train import train

Row = dict[str, str]
LEARNT, SERVED, ABROAD = 350, 150, 200


def sentences(shared: Path, code: str) -> dict[str, Row]:
    """The rows of a language by their sentence."""
    found = {}
    for part in ("train", "dev", "test"):
        with (shared / "data" / "sib200" / code / f"{part}.tsv").open(encoding="utf-8", newline="") as file:
            found |= {row["index_id"]: {"text": row["text"], "label": row["category"]}
                      for row in csv.DictReader(file, delimiter="\t")}
    return found


def written(path: Path, rows: Sequence[Mapping[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def tuned(folder: Path, name: str, base: str, files: Sequence[str], seed: int) -> Path:
    """The folder of a run."""
    return train(read.parse({
        "base": base, "task": "classify", "adapter": "full",
        "data": {"train": list(files), "validation": 0, "test": 0.3 if base == "minilm-l6" else 0},
        "training": {"learning_rate": 1e-4, "epochs": 6, "batch_size": 16, "max_length": 256, "seed": seed},
        "monitoring": {"keep": "text"}, "run": {"folder": str(folder / "runs"), "name": name},
    }, source="benchmark")).run


def said(run: Path, rows: Sequence[Row]) -> list[Prediction]:
    """What a run says of rows."""
    opened, recipe = predictor.open_run(run), read.read(run / "recipe.yaml")
    examples = [Labelled(row["text"], (row["label"],), str(place), str(place)) for place, row in enumerate(rows)]
    return list(recipe.task.module.predict(opened.model, examples, recipe.task.settings,
                                           given=Given(lambda: opened.codec), max_new_tokens=1, batch_size=16))


def served(run: Path, rows: Sequence[Row]) -> None:
    """A log in which the run was asked these."""
    log = open_log(run / "seen.sqlite", read.read(run / "recipe.yaml").monitoring)
    for place, (row, one) in enumerate(zip(rows, said(run, rows), strict=True)):
        label = one.output["label"]
        log.write(Seen(f"answer-{place}", time.time(), run.name, "classify", row["text"], label, 20, 0, 0.01,
                       one.output["scores"][label], label))
    log.close()


def judged(before: Path, after: Path, rows: Sequence[Row]) -> tuple[str, verdict.Measured]:
    """The verdict on rows: a run against the one that it was trained on from."""
    examples = [Labelled(row["text"], (row["label"],), str(place), str(place)) for place, row in enumerate(rows)]
    both = [{one.example: one for one in said(run, rows)} for run in (before, after)]
    found = verdict.judge(*both, examples, {"accuracy": accuracy}, "accuracy", against_name="the run", seed=0)
    return found.word, found.metrics["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--rows", type=int, default=150, help="rows that are labelled")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    chance = random.Random(wanted.seed)
    english, abroad = (sentences(wanted.shared, code) for code in ("eng_Latn", "azj_Latn"))
    names = sorted(english.keys() & abroad.keys())
    chance.shuffle(names)
    learnt, asked, foreign = (names[:LEARNT], names[LEARNT : LEARNT + SERVED], names[
        LEARNT + SERVED : LEARNT + SERVED + ABROAD])
    kept = names[LEARNT + SERVED + ABROAD :]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        first = written(folder / "english.jsonl", [english[name] for name in learnt])
        run = tuned(folder, "first", "minilm-l6", [first], wanted.seed)
        window = [english[name] for name in asked] + [abroad[name] for name in foreign]
        chance.shuffle(window)
        served(run, window)
        cli.main(["monitor", str(run), "--harvest", str(folder / "harvest.jsonl"), "--rows", str(wanted.rows)])
        truth = {row["text"]: row["label"] for row in window}
        rows = [json.loads(line) for line in (folder / "harvest.jsonl").read_text(encoding="utf-8").splitlines()]
        chosen = {"harvested": [row["text"] for row in rows],
                  "by chance": [row["text"] for row in chance.sample(window, len(rows))]}
        theirs = {abroad[name]["text"] for name in foreign}
        for how, texts in chosen.items():
            more = written(folder / f"{how}.jsonl", [{"text": text, "label": truth[text]} for text in texts])
            after = tuned(folder, how.replace(" ", "-"), str(run), [first, more], wanted.seed)
            for where, rows_of in (("drifted", abroad), ("as before", english)):
                word, one = judged(run, after, [rows_of[name] for name in kept])
                print(json.dumps({
                    "rows": how, "labelled": len(texts), "of them drifted": len(theirs & set(texts)), "on": where,
                    "verdict": word, "before": one.against, "after": one.tuned, "difference": one.difference,
                    "low": one.low, "high": one.high, "held out": one.rows}), flush=True)


if __name__ == "__main__":
    main()
