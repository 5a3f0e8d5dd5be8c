"""What every program built on transformers' Trainer reports about its own training: see `report`."""

import json
import os
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import torch
from transformers import TrainerCallback

NOT_LEARNT = -100
PACKAGES = ("torch", "transformers", "trl", "peft", "llamafactory", "ms-swift")


class Watch(TrainerCallback):
    """Notes when each step ended, which rows it held, and the held-out loss where that is asked for."""

    def __init__(self, settings):
        self.settings = settings
        self.held_out = rows(settings["held_out"]) if settings.get("held_out") else []
        self.begun, self.stamps, self.graphs, self.judged, self.fetched = None, [], [], [], []
        self.asides = [0.0]

    def on_train_begin(self, args, state, control, train_dataloader=None, **others):
        loader = getattr(train_dataloader, "base_dataloader", train_dataloader)  # most are wrapped by accelerate
        join = loader.collate_fn

        def noted(examples):
            self.fetched.append([sizes(example) for example in examples])
            return join(examples)

        loader.collate_fn = noted
        self.begun = time.time()

    def on_step_end(self, args, state, control, model=None, **others):
        self.stamps.append(time.time())
        self.graphs.append(compiled())
        every = self.settings.get("every")
        if self.held_out and every and state.global_step % every == 0:
            self.judged.append([state.global_step, held_out_loss(model, self.held_out)])
        self.asides.append(time.time() - self.stamps[-1])

    def report(self):
        """Print one line of JSON.

        begun, stamps: seconds since the epoch at which training began and each step ended; steps: of each step its
        documents as [tokens, rows to compute, targets]; graphs: compiled by the end of each step; judged: step and
        held-out loss; asides: of each step, the seconds before its stamp that this took; peak_bytes: the most memory
        that the process has held.
        """
        print(json.dumps({
            "begun": self.begun, "stamps": self.stamps, "steps": self.fetched[:len(self.stamps)],
            "graphs": self.graphs, "judged": self.judged, "asides": self.asides[:-1],
            "threads": torch.get_num_threads(),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "versions": versions(),
        }))
        sys.stdout.flush()
        os._exit(0)  # nothing is left to do, and some libraries take seconds to end


def settings():
    """What the runner asks for: a file of JSON, named on the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)


def rows(file):
    """Documents as `benchmarks/rows.py` wrote them."""
    with open(file, encoding="utf-8") as lines:
        return [{name: row[name] for name in ("input_ids", "labels")} for row in map(json.loads, lines)]


def sizes(example):
    """Real tokens, rows up to the last target, and targets of one document."""
    if isinstance(example["labels"], int):  # a text that is of a class is computed whole
        return [len(example["input_ids"]), len(example["input_ids"]), 1]
    taught = [place for place, label in enumerate(example["labels"]) if label != NOT_LEARNT]
    return [len(example["input_ids"]), taught[-1], len(taught)]


def compiled():
    """How many graphs torch.compile has made so far."""
    compiler = sys.modules.get("torch._dynamo.utils")
    return compiler.counters["stats"]["unique_graphs"] if compiler else 0


@torch.no_grad()
def held_out_loss(model, documents, batch_size=8):
    """Mean negative log-likelihood of the targets, padded in batches of like length."""
    training = model.training
    model.eval()
    total, count = 0.0, 0
    ordered = sorted(documents, key=lambda row: len(row["input_ids"]))
    for start in range(0, len(ordered), batch_size):
        part = ordered[start:start + batch_size]
        width = max(len(row["input_ids"]) for row in part)
        ids = torch.tensor([row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in part])
        labels = torch.tensor([row["labels"] + [NOT_LEARNT] * (width - len(row["labels"])) for row in part])
        seen = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in part])
        logits = model(input_ids=ids, attention_mask=seen).logits[:, :-1].float()
        found = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=NOT_LEARNT, reduction="sum")
        total, count = total + found.item(), count + int((labels[:, 1:] != NOT_LEARNT).sum())
    model.train(training)
    return total / count


def versions():
    """What is installed here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
