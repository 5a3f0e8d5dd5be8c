"""A task of labels learnt twice with the same settings: here, and by transformers' own Trainer; test accuracy of both.

    python benchmarks/classify_against_trainer.py recipes/banking77.yaml training.epochs=2 --seeds 0 1 2

Rows, base, learning rate, schedule, epochs, batch size and dropout are the recipe's; both compute in float32. A seed
gives each side its own order of rows and its own new head. Prints a line a seed and the mean of each side with the 95%
interval of three runs (Student's t).
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

T_OF_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}


def ours(recipe, overrides, seed: int, rows) -> tuple[float, float]:
    """Test accuracy, and seconds of training."""
    import tunesmith
    from tunesmith.contracts import Given
    from tunesmith.tasks import classify

    with tempfile.TemporaryDirectory() as folder:
        loaded = tunesmith.load_recipe(recipe, [
            *overrides, f"training.seed={seed}", f"run.folder={folder}", "base.dtype=float32", "training.save_every=0"])
        steps = tunesmith.steps(loaded)
        begun = time.perf_counter()
        for _ in steps:
            pass
        seconds = time.perf_counter() - begun
        session = steps._session
        found = classify.predict(session.model, rows["test"], loaded.task.settings, max_new_tokens=1, batch_size=1,
                                 given=Given(lambda: session.prepared.codec))
        return float(np.mean([one.output["label"] == one.expected["label"] for one in found])), seconds


def theirs(recipe, seed: int, rows, folder: Path) -> tuple[float, float]:
    """The same by the Trainer, with its own sampler, collator and optimiser."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(seed)
    names = sorted({row.labels[0] for row in rows["train"]})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    told = recipe.training
    dropout = {} if recipe.base.dropout is None else {
        "hidden_dropout_prob": recipe.base.dropout, "attention_probs_dropout_prob": recipe.base.dropout}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names), dtype=torch.float32,
                                                               **dropout)
    sets = {side: [tokenizer(row.text, truncation=True, max_length=told.max_length)
                   | {"labels": names.index(row.labels[0])} for row in rows[side]] for side in ("train", "test")}
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output_dir=output, per_device_train_batch_size=told.batch_size, per_device_eval_batch_size=64,
            num_train_epochs=told.epochs, learning_rate=told.learning_rate, lr_scheduler_type=told.schedule,
            warmup_steps=told.warmup, weight_decay=told.optimiser.settings.weight_decay, max_grad_norm=told.clip,
            seed=seed, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True)
        trainer = Trainer(model=model, args=arguments, train_dataset=sets["train"],
                          data_collator=DataCollatorWithPadding(tokenizer))
        begun = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begun
        said = trainer.predict(sets["test"])
    return float((said.predictions.argmax(-1) == said.label_ids).mean()), seconds


def main() -> None:
    """Read what is asked, train both, say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sides", nargs="+", default=["ours", "theirs"])
    asked = parser.parse_intermixed_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    import tunesmith
    from tunesmith.models import bases
    from tunesmith.workflow.rows.sides import read_sides

    recipe = tunesmith.load_recipe(asked.recipe, asked.overrides)
    rows = read_sides(recipe).sides
    folder = bases.of_recipe(recipe, "base.name").folder
    found: dict[str, list[float]] = {side: [] for side in asked.sides}
    for seed in asked.seeds:
        for side in asked.sides:
            accuracy, seconds = ours(asked.recipe, asked.overrides, seed, rows) if side == "ours" else \
                theirs(recipe, seed, rows, folder)
            found[side].append(accuracy)
            print(f"seed {seed}  {side:6}  accuracy {accuracy:.4f}  {seconds:.0f} s", flush=True)
    for side, each in found.items():
        mean = float(np.mean(each))
        half = T_OF_95.get(len(each), 2.0) * float(np.std(each, ddof=1)) / len(each) ** 0.5 if len(each) > 1 else 1.0
        print(f"{side:6}  mean {mean:.4f}  95% interval {mean - half:.4f} to {mean + half:.4f}")


if __name__ == "__main__":
    main()
