"""Two hundred malformed rows of fifteen kinds, in five files of four shapes: each is reported, none is dropped."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from bad_rows import BAD_CELLS, BAD_LINES, GOOD
from tiny import tiny_base, tiny_encoder
from tunesmith.cli import main
from tunesmith.data import ledger
from tunesmith.errors import REFUSED, SHOWN_IN_FULL
from tunesmith.recipe.read import load as recipe_of
from tunesmith.workflow.rows.sides import read_sides

GOOD_ROWS = 60
LINES = {
    "data.json": 24, "data.wrong_type": 22, "data.missing_field": 21, "data.encoding": 10, "data.nul": 8,
    "data.surrogate": 9, "data.doubled_key": 8, "data.not_a_number": 8, "data.too_deep": 6, "data.row_too_large": 1,
    "data.empty_field": 12, "data.not_object": 10,
}
CELLS = {"data.cells": 21, "data.encoding": 5, "data.empty_field": 5, "data.nul": 4}
MORE = re.compile(r"and (\d+) more of this kind")


@dataclass(frozen=True)
class Malformed:
    """A file, what a recipe says to read it, and of each bad row its kind by its place, in the order of the file."""

    file: str
    options: Mapping[str, Any]
    bad: Mapping[str, str]

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.bad.values())


def among_good(counts: Mapping[str, int], seed: int) -> list[str]:
    """The kinds of rows in a drawn order, the good ones as ""."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)] + [""] * GOOD_ROWS
    random.Random(seed).shuffle(kinds)
    return kinds


def bad_of(kinds: Mapping[str, tuple[bytes, str]]) -> dict[str, Iterator[bytes]]:
    """Bad rows of each kind, over and over; each has one mistake, where `{}` would have two."""
    found = {kind for _, kind in kinds.values()}
    return {kind: cycle([bad for bad, its in kinds.values() if its == kind and bad != b"{}"]) for kind in found}


def pairs(folder: Path) -> Malformed:
    bad, order = bad_of(BAD_LINES), among_good(LINES, 1)
    lines = [next(bad[kind]) if kind else GOOD % number for number, kind in enumerate(order)]
    (folder / "pairs.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return Malformed("pairs.jsonl", {"task": "chat"}, {
        f"pairs.jsonl:{line}": kind for line, kind in enumerate(order, 1) if kind})


def cells(folder: Path) -> Malformed:
    bad, order = bad_of(BAD_CELLS), among_good(CELLS, 2)
    lines = [next(bad[kind]) if kind else b"question %d,answer" % number for number, kind in enumerate(order)]
    (folder / "cells.csv").write_bytes(b"\n".join([b"prompt,answer", *lines]) + b"\n")
    return Malformed("cells.csv", {"task": "chat"}, {
        f"cells.csv:{line}": kind for line, kind in enumerate(order, 2) if kind})


def labels(folder: Path) -> Malformed:
    order = among_good({"data.no_label_name": 10}, 3)
    rows = [f"A text with the number {number},{number + 2 if kind else number % 2}" for number, kind in
            enumerate(order)]
    (folder / "names.txt").write_text("good\nbad\n")
    (folder / "labels.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return Malformed("labels.csv", {"task": "classify", "data": {"format": {"type": "labelled", "names": "names.txt"}}},
                     {f"labels.csv:{line}": kind for line, kind in enumerate(order, 2) if kind})


def words(folder: Path) -> Malformed:
    """Sentences of three words, and of bad ones the second word without a tag."""
    order = among_good({"data.cells": 4}, 4)
    sentences = [f"Anna B-PER\nsleeps{'' if kind else ' O'}\n{number} O\n" for number, kind in enumerate(order)]
    (folder / "words.conll").write_text("\n".join(sentences))
    return Malformed("words.conll", {"task": "tag"}, {
        f"words.conll:{4 * number + 2}": kind for number, kind in enumerate(order) if kind})


def answers(folder: Path) -> Malformed:
    """A question on each line, of bad ones the answer two characters from where it is said to stand."""
    order = among_good({"data.answer_offset": 12}, 5)
    rows = [json.dumps({"id": str(number), "context": f"In house {number} lives Anna.", "question": "Who?", "answers": [
        {"text": "Anna", "answer_start": len(f"In house {number} lives ") + (2 if kind else 0)}]})
        for number, kind in enumerate(order)]
    (folder / "answers.jsonl").write_text("\n".join(rows) + "\n")
    return Malformed("answers.jsonl", {"task": "extract"}, {
        f"answers.jsonl:{line}": kind for line, kind in enumerate(order, 1) if kind})


FILES = (pairs, cells, labels, words, answers)


def recipe(folder: Path, made: Malformed) -> dict[str, Any]:
    base = folder / "base"
    (tiny_base if made.options["task"] == "chat" else tiny_encoder)(base)
    data = {**made.options.get("data", {}), "train": made.file, "near": None}
    return {"base": {"name": str(base), "dtype": "float32"}, **made.options, "data": data,
            "training": {"max_length": 64}}


def test_there_are_two_hundred_of_fifteen_kinds(tmp_path):
    counts = sum((file(tmp_path).counts for file in FILES), Counter())
    assert (counts.total(), len(counts)) == (200, 15)


@pytest.mark.fault("bad rows")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
def test_check_reports_every_malformed_row_or_counts_it(tmp_path, monkeypatch, capsys, file, record_property):
    made = file(tmp_path)
    record_property("tried", len(made.bad))
    monkeypatch.chdir(tmp_path)
    Path("recipe.json").write_text(json.dumps(recipe(tmp_path, made)))
    assert main(["check", "recipe.json", "--json"]) == REFUSED
    told = json.loads(capsys.readouterr().out)
    errors = [found for found in told["findings"] if found["severity"] == "error"]
    for kind, count in made.counts.items():
        of_kind = [found for found in errors if found["kind"] == kind]
        full = [found for found in of_kind if not MORE.fullmatch(found["what"])]
        more = sum(int(MORE.fullmatch(found["what"])[1]) for found in of_kind if found not in full)
        places = [place for place, its in made.bad.items() if its == kind]
        assert [near(found["where"]) for found in full] == places[:SHOWN_IN_FULL]
        assert len(full) + more == count
        assert all(found["what"] and found["remedy"] for found in of_kind)
    assert {found["kind"] for found in errors} == set(made.counts)
    assert sum(told["rows"].values()) == GOOD_ROWS, "rows read and rows reported are the rows of the file"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
def test_every_malformed_row_has_a_report_of_its_own_at_its_line(tmp_path, monkeypatch, file):
    made = file(tmp_path)
    monkeypatch.setattr(ledger, "SHOWN_IN_FULL", 1000)
    found = read_sides(recipe_of(recipe(tmp_path, made), folder=tmp_path))
    errors = [(near(each.where), each.kind) for each in found.findings if each.severity == "error"]
    assert sorted(errors) == sorted(made.bad.items())
    assert sum(map(len, found.sides.values())) == GOOD_ROWS


def near(where: str) -> str:
    """A place without its folder."""
    return where.rpartition("/")[2]
