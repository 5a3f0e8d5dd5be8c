"""Entity F1 of ours and of transformers' Trainer with the same settings, several seeds each, judged by seqeval.

    python benchmarks/entities.py DATA [--who ours,trainer] [--seeds 3] [--epochs 3] [--threads 1]

DATA is the folder of WNUT-17 (`train.conll`, `test.conll`). Both train every weight of minilm-l6 in float32 with AdamW,
a rate that falls in a straight line, dropout as the base has it, and gradients clipped to a norm of 1; the first piece
of a word has its tag. What is printed are the means over the seeds, and their 95% intervals by Student's t.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

RATE, BATCH, LONGEST = 2e-4, 16, 128
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided 95%, by the number of seeds


def main() -> None:
    arguments = options()
    import torch

    torch.set_num_threads(arguments.threads)
    for who in arguments.who.split(","):
        found = []
        for seed in range(arguments.seeds):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                wanted, said = {"ours": ours, "trainer": trainer}[who](arguments, seed, Path(folder))
            found.append(f1(wanted, said))
            print(f"{who}  seed {seed}  entity F1 {found[-1]:.4f}  {time.monotonic() - began:.0f} s", flush=True)
        mean, spread = statistics.mean(found), statistics.stdev(found) if len(found) > 1 else 0.0
        reach = STUDENT.get(len(found), 2.0) * spread / len(found) ** 0.5
        print(f"{who}  entity F1 {mean:.4f}  95% interval {mean - reach:.4f} to {mean + reach:.4f}", flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--who", default="ours,trainer")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def f1(wanted: list[list[str]], said: list[list[str]]) -> float:
    """Seqeval's, as it is without further arguments."""
    from seqeval.metrics import f1_score

    return float(f1_score(wanted, said))


def ours(arguments: argparse.Namespace, seed: int, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Tags of the test rows, and what a tuned model of ours says."""
    import tunesmith

    run = tunesmith.train(tunesmith.load_recipe({
        "base": {"name": "minilm-l6", "dtype": "float32", "dropout": None}, "task": "tag", "adapter": "full",
        "data": {"train": str(arguments.data / "train.conll"), "test": str(arguments.data / "test.conll"),
                 "validation": 0},
        "training": {"learning_rate": RATE, "schedule": "linear", "warmup": 0, "epochs": arguments.epochs,
                     "batch_size": BATCH, "max_length": LONGEST, "clip": 1.0, "seed": seed, "save_every": 0},
        "run": {"folder": str(folder), "name": "entities"},
    }))
    lines = [json.loads(line) for line in (Path(run.folder) / "predictions.jsonl").read_text().splitlines()]
    return [line["expected"]["tags"] for line in lines], [line["tuned"]["output"]["tags"] for line in lines]


def trainer(arguments: argparse.Namespace, seed: int, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Tags of the test rows, and what a model says that transformers' Trainer tuned."""
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from tunesmith.models import bases

    base = bases.find("minilm-l6").folder
    train, test = (sentences(arguments.data / f"{side}.conll") for side in ("train", "test"))
    labels = sorted({tag for _, tags in train for tag in tags})
    tokenizer = AutoTokenizer.from_pretrained(base)
    set_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(
        base, num_labels=len(labels), id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)})
    made = Trainer(
        model=model, train_dataset=[encoded(tokenizer, *row, labels) for row in train],
        data_collator=DataCollatorForTokenClassification(tokenizer), processing_class=tokenizer,
        args=TrainingArguments(
            output_dir=str(folder), per_device_train_batch_size=BATCH, per_device_eval_batch_size=64,
            num_train_epochs=arguments.epochs, learning_rate=RATE, lr_scheduler_type="linear", warmup_steps=0,
            max_grad_norm=1.0, weight_decay=0.0, seed=seed, use_cpu=True, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True))
    made.train()
    asked = [encoded(tokenizer, *row, labels) for row in test]
    said = []
    for (words, _), row, found in zip(test, asked, made.predict(asked).predictions, strict=True):
        tags = ["O"] * len(words)  # of words that were cut off, or gave no piece
        for word, place in firsts(tokenizer(words, is_split_into_words=True).word_ids()[: len(row["labels"]) - 1]):
            tags[word] = labels[found[place].argmax()]
        said.append(tags)
    return [tags for _, tags in test], said


def encoded(tokenizer: Any, words: list[str], tags: list[str], labels: list[str]) -> dict[str, list[int]]:
    """A row as the tutorials of transformers encode it: the first piece of a word learns."""
    made = tokenizer(words, is_split_into_words=True, truncation=True, max_length=LONGEST)
    of = [-100] * len(made["input_ids"])
    for word, place in firsts(made.word_ids()):
        of[place] = labels.index(tags[word])
    return {**made, "labels": of}


def firsts(words: list[int | None]) -> list[tuple[int, int]]:
    """Each word that has pieces, and the place of the first of them."""
    return [(word, place) for place, word in enumerate(words)
            if word is not None and (place == 0 or words[place - 1] != word)]


def sentences(path: Path) -> list[tuple[list[str], list[str]]]:
    """The rows of a file of two columns."""
    found: list[tuple[list[str], list[str]]] = [([], [])]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            word, _, tag = line.rpartition("\t")
            found[-1][0].append(word)
            found[-1][1].append(tag)
        elif found[-1][0]:
            found.append(([], []))
    return [row for row in found if row[0]]


if __name__ == "__main__":
    main()
