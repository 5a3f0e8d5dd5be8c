"""The very rows of each step, in our order, for the programs of the peers: encoded once, by us, outside every timing.

    python rows.py RECIPE.yaml TRAIN.jsonl [HELD_OUT.jsonl]

Each line is one document: `step`, `input_ids`, and `labels` as transformers wants them (a token's own id where it is
learnt, -100 elsewhere; of a text that is of a class, the class).
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

NOT_LEARNT = -100


def written(steps: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Lines of JSON, from each step's documents."""
    for number, documents in enumerate(steps):
        for document in documents:
            ids, learnt = document.ids.tolist(), document.supervised.tolist()
            labels = [token if taught else NOT_LEARNT for token, taught in zip(ids, learnt, strict=True)]
            if document.both_ways:
                labels = int(document.targets[0])
            yield json.dumps({"step": number, "input_ids": ids, "labels": labels}) + "\n"


def read(file: Path) -> list[dict[str, Any]]:
    """The lines, as they were written."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def sizes(rows: Iterable[dict[str, Any]]) -> list[list[tuple[int, int, int]]]:
    """For each step its documents: real tokens, rows that must be computed (up to the last target), targets.

    A text that is of a class is computed whole.
    """
    steps: dict[int, list[tuple[int, int, int]]] = {}
    for row in rows:
        rows = len(row["input_ids"])
        if isinstance(row["labels"], int):
            steps.setdefault(row["step"], []).append((rows, rows, 1))
            continue
        taught = [place for place, label in enumerate(row["labels"]) if label != NOT_LEARNT]
        steps.setdefault(row["step"], []).append((rows, taught[-1], len(taught)))
    return [steps[number] for number in sorted(steps)]


def main() -> None:
    from tunesmith.encoding.batches.packing import batches
    from tunesmith.encoding.order import total_steps
    from tunesmith.kernels.allocator import prepare_environment
    from tunesmith.recipe.read import read as read_recipe
    from tunesmith.records import Order, Position
    from tunesmith.workflow.preparing.prepare import prepare, refuse

    prepare_environment()
    recipe = read_recipe(Path(sys.argv[1]))
    prepared = prepare(recipe)
    refuse(prepared.findings)
    documents, training = prepared.documents["train"], recipe.training
    examples = len({document.example for document in documents})
    order = Order(training.batch_size, training.seed, training.epochs,
                  total_steps(examples, training.batch_size, training.epochs, training.steps))
    made = batches(None, documents, None, order, Position({}))
    Path(sys.argv[2]).write_text("".join(written(batch.documents for batch in made)), encoding="utf-8")
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text("".join(written([prepared.documents["validation"]])), encoding="utf-8")


if __name__ == "__main__":
    main()
