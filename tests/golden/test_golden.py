"""Twenty losses of each task and adapter on a tiny random model: a change in them is reviewed like code.

`python tests/golden/test_golden.py` writes the files anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny import tiny_base, tiny_encoder
from tunesmith import catalog
from tunesmith.recipe.read import parse
from tunesmith.workflow.tuning.train import train

LOSSES = Path(__file__).parent / "losses"
DATA = {
    "classify": [{"text": f"On day {n} {('Anna', 'Natalia')[n % 2]} sold {n} hats in Baku.",
                  "label": ("one", "two", "three")[n % 3]} for n in range(40)],
    "chat": [{"prompt": f"What is {n} and {n + 1}?", "completion": f"It is {2 * n + 1} apples."} for n in range(40)],
    "completion": [{"text": f"On day {n} the red shirt went to Baku, and {n + 1} hats came back."} for n in range(40)],
    "embed": [{"prompt": f"What is {n} and {n + 1}?", "completion": f"It is {2 * n + 1} apples."} for n in range(40)],
    "tag": [{"tokens": ["On", "day", str(n), "Anna" if n % 3 else "Natalia", "sold", "hats", "in", "Baku"],
             "tags": ["O", "O", "B-DAY", "B-PER", "O", "O", "O", "B-LOC"]} for n in range(40)],
}
ENCODERS = ("classify", "embed", "tag")  # tasks whose base reads both ways
CASES = [(task, adapter) for task in DATA for adapter in catalog.names("adapter")]


def losses(folder: Path, task: str, adapter: str) -> list[float]:
    """The loss of each of 20 steps, rounded to what every processor should give alike."""
    (tiny_encoder if task in ENCODERS else tiny_base)(folder / "base")
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in DATA[task]))
    recipe = parse({
        "base": {"name": str(folder / "base"), "dtype": "float32"},
        "task": task,
        "adapter": adapter,
        "data": {"train": str(rows), "validation": 0, "test": 0},
        "training": {"learning_rate": 5e-3, "steps": 20, "epochs": 50, "batch_size": 4, "max_length": 128,
                     "save_every": 0, "device": "cpu"},
        "evaluation": {"generate": 0},
        "run": {"folder": str(folder / "runs")},
    }, source="golden")
    outcome = train(recipe, observe=lambda event: None)
    lines = [json.loads(line) for line in (outcome.run / "records.jsonl").read_text().splitlines()]
    return [round(line["loss"], 6) for line in lines if line["kind"] == "step"]


@pytest.mark.parametrize(("task", "adapter"), CASES)
def test_twenty_losses_are_what_they_were(task: str, adapter: str, tmp_path: Path) -> None:
    expected = [float(line) for line in (LOSSES / f"{task}-{adapter}.txt").read_text().split()]
    assert losses(tmp_path, task, adapter) == pytest.approx(expected, rel=2e-4)


if __name__ == "__main__":
    import tempfile

    LOSSES.mkdir(exist_ok=True)
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            text = "".join(f"{loss:.6f}\n" for loss in losses(Path(place), *case))
        (LOSSES / f"{'-'.join(case)}.txt").write_text(text)
