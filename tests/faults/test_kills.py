"""`kill -9` at any moment loses nothing but time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_base, tiny_encoder

# In layers by hand, on kernels of our own where the processor has them; and, for the dropout, as transformers does
BY_HAND, IN_FULL = "{type: lora, rank: 4}", "{type: full}"
IN_THEIR_OWN_WAY = "{type: lora, rank: 4, dropout: 0.1}"
WIDE = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2}
RECIPE = """base: {{name: base/, dtype: bfloat16}}
task: chat
data: {{train: rows.jsonl, validation: 0.2, test: 0.1}}
adapter: {adapter}
training: {{learning_rate: 1e-3, steps: 12, epochs: 9, batch_size: 4, max_length: 128, save_every: 2}}
evaluation: {{generate: 2, max_new_tokens: 4, every: 5}}
"""


# Two heads on an encoder, rows of two sources, some made of others, and sides that a file remembers
ENCODER = """base: {name: base/, dtype: float32, dropout: 0.1}
task: {type: several, parts: {train: classify, names: tag}}
data:
  train: rows.jsonl
  validation: 0.2
  test: 0.1
  mix: {names: {files: names.jsonl, share: 0.4}}
  augment: [noise]
  sides: sides.jsonl
adapter: full
training: {learning_rate: 1e-3, steps: 12, epochs: 9, batch_size: 4, max_length: 64, save_every: 2}
evaluation: {every: 5}
"""


def killed(folder: Path, adapter: str, trials: int, *, threads: int = 2) -> list[dict[str, object]]:
    """The outcomes of so many trials. Two threads, where the cores are ours: they may change no bit either."""
    tiny_base(folder / "base", **WIDE)
    rows = [{"question": f"what is {n} and {n + 1}?", "answer": f"it is {2 * n + 1} apples"} for n in range(50)]
    written(folder / "rows.jsonl", rows)
    return tried(folder, RECIPE.format(adapter=adapter), trials, threads=threads)


def written(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def tried(folder: Path, recipe: str, trials: int, *, threads: int = 2) -> list[dict[str, object]]:
    """The outcomes of so many trials of a recipe."""
    (folder / "kills.yaml").write_text(recipe)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kills.py")), str(folder / "kills.yaml"), str(trials), "0"],
        capture_output=True, text=True, env=environment, check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def every_trial_ended_as_if_nothing_had_happened(outcomes: list[dict[str, object]], tell: Any) -> int:
    """How many kills there were."""
    for outcome in outcomes:
        assert outcome["status"] == 0
        assert outcome["differs"] == []
        assert outcome["left"] == []
    kills = sum(int(outcome["kills"]) for outcome in outcomes)
    tell("tried", kills)
    return kills


@pytest.mark.fault("kill -9 at any moment")
def test_a_run_that_was_killed_ends_bit_for_bit_as_one_that_was_not(tmp_path: Path, record_property: Any) -> None:
    outcomes = killed(tmp_path, BY_HAND, 6, threads=1)
    assert every_trial_ended_as_if_nothing_had_happened(outcomes, record_property) >= 6  # one a trial at the least


@pytest.mark.long
@pytest.mark.fault("kill -9 at any moment")
@pytest.mark.parametrize("adapter", [IN_FULL, IN_THEIR_OWN_WAY])
def test_so_does_one_in_full_and_one_with_dropout(tmp_path: Path, adapter: str, record_property: Any) -> None:
    outcomes = killed(tmp_path, adapter, 9)
    assert every_trial_ended_as_if_nothing_had_happened(outcomes, record_property) >= 12


@pytest.mark.long
@pytest.mark.fault("kill -9 at any moment")
def test_so_does_an_encoder_with_two_heads_on_mixed_and_made_rows(tmp_path: Path, record_property: Any) -> None:
    tiny_encoder(tmp_path / "base")
    written(tmp_path / "rows.jsonl", [{"text": f"where is parcel {n} of {n % 7} hats", "label": "ab"[n % 2]}
                                      for n in range(50)])
    written(tmp_path / "names.jsonl", [{"tokens": ["Anna", "has", str(n), "hats"], "ner_tags": ["B-PER", "O", "O", "O"]}
                                       for n in range(20)])
    outcomes = tried(tmp_path, ENCODER, 9)
    assert every_trial_ended_as_if_nothing_had_happened(outcomes, record_property) >= 9


@pytest.mark.long
@pytest.mark.fault("kill -9 at any moment")
def test_a_hundred_kills_a_third_of_them_inside_a_save(tmp_path: Path, record_property: Any) -> None:
    outcomes = killed(tmp_path, BY_HAND, 72)
    kills = every_trial_ended_as_if_nothing_had_happened(outcomes, record_property)
    inside = sum(int(outcome["inside"]) for outcome in outcomes)
    print(f"{kills} kills, {inside} of them inside a save")
    assert kills >= 100
    assert 3 * inside >= kills
