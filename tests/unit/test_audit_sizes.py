"""What the check of sizes tells of rows that are too long is what encoding them shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from planted import sentence
from tiny import tiny_base
from tunesmith.recipe.read import load
from tunesmith.records import Finding
from tunesmith.workflow.preparing.prepare import prepare

TURNS = [2 * (1 + number % 3) for number in range(40)]


def number(words: str, pattern: str) -> float:
    return float(re.search(pattern, words)[1].replace(",", ""))  # type: ignore[index]


def rows(folder: Path) -> None:
    lines = []
    for number, turns in enumerate(TURNS):
        talk = [{"role": ("user", "assistant")[turn % 2], "content": sentence(number * 10 + turn)}
                for turn in range(turns)]
        lines.append(json.dumps({"messages": talk}))
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")


def told(folder: Path, **data: object) -> tuple[list[Finding], dict[str, object]]:
    recipe = load({"base": str(tiny_base(folder / "base")), "task": "chat", "training": {"max_length": 150}, "data": {
        "train": "rows.jsonl", "validation": 0.0, "test": 0.0, "near": None, **data}}, folder=folder)
    prepared = prepare(recipe)
    return list(prepared.findings), prepared.audit["sizes"]


def test_rows_that_are_too_long_are_as_many_as_encoding_finds_and_lose_as_much(tmp_path):
    rows(tmp_path)
    findings, sizes = told(tmp_path, too_long="cut")
    [exact] = [each.what for each in findings if each.kind == "data.too_long"]
    [about] = [each.what for each in findings if each.kind == "audit.long_rows"]
    assert exact.startswith("26 of 40 rows of the train side have more than 150 tokens: 2813 tokens are cut off")
    assert about.startswith("about 26 of 40 rows")
    assert number(about, "lose ([0-9,]+) tokens") == pytest.approx(2813, rel=0.01)
    assert number(about, r"([0-9.]+)% of those of the answers") > 40
    [lengths] = [figure for figure in sizes["figures"] if figure["title"] == "Lengths"]
    assert sum(lengths["series"]["train"]) == 40 and lengths["marks"] == {"training.max_length": 150.0}


def test_tokens_of_a_sample_stand_for_all(tmp_path):
    rows(tmp_path)
    whole, some = (told(tmp_path, audit=[{"type": "sizes", "rows": number}])[1] for number in (500, 10))
    tokens = [sum(figure["series"]["train"][0] for figure in each["figures"] if figure["title"] == "Tokens by role")
              for each in (whole, some)]
    assert tokens[1] == pytest.approx(tokens[0], rel=0.5) and tokens[0] != tokens[1]
