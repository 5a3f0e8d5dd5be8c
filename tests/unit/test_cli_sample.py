"""`tunesmith sample`: rows drawn into a file that everything else reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tiny import tiny_base, tiny_encoder
from tunesmith.cli import main
from tunesmith.data.load import load


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,category,where\n" + "".join(
        f"the {'red' if n % 2 else 'blue'} hat of person {n},{'warm' if n % 2 else 'cold'},Baku\n" for n in range(80)))
    return path


def test_drawn_rows_keep_their_columns_and_say_where_they_stood(table, tmp_path, capsys):
    assert main(["sample", str(table), "--rows", "10", "--output", str(tmp_path / "s.jsonl")]) == 0
    rows = read(tmp_path / "s.jsonl")
    assert len(rows) == 10
    lines = table.read_text().splitlines()
    for row in rows:
        line = int(row["from_row"].rpartition(":")[2])
        assert f"{row['text']},{row['category']},{row['where']}" == lines[line - 1]
    shown = capsys.readouterr().out
    assert "drawn     10 of 80 rows" in shown
    assert "as many random rows" in shown


def test_a_sample_of_a_sample_says_where_its_rows_stood_at_first(table, tmp_path):
    assert main(["sample", str(table), "--rows", "20", "--output", str(tmp_path / "a.jsonl")]) == 0
    assert main(["sample", str(tmp_path / "a.jsonl"), "--rows", "5", "--output", str(tmp_path / "b.jsonl")]) == 0
    assert all(row in read(tmp_path / "a.jsonl") for row in read(tmp_path / "b.jsonl"))


@pytest.mark.parametrize(("name", "content", "format"), [
    ("rows.csv", "text,label\n" + "".join(f"row number {n},{'ab'[n % 2]}\n" for n in range(30)), "labelled"),
    ("rows.conll", "".join(f"Anna\tB-PER\nate\tO\n{n}\tO\n\n" for n in range(30)), "conll"),
    ("rows.tsv", "".join(f"row number {n} of all\t{'ab'[n % 2]}\n" for n in range(30)), "labelled"),
    ("rows.jsonl", "".join(json.dumps({"prompt": f"How many {n}?", "answer": str(n)}) + "\n" for n in range(30)),
     "pair"),
])
def test_a_sample_is_read_as_its_file_is(tmp_path, name, content, format):
    (tmp_path / name).write_text(content)
    assert main(["sample", str(tmp_path / name), "--rows", "12", "--output", str(tmp_path / "s.jsonl")]) == 0
    loaded = load(str(tmp_path / "s.jsonl"))
    assert (loaded.format, len(loaded.examples)) == (format, 12)
    assert "from_row" not in loaded.unused


def test_the_summary_is_one_value(table, tmp_path, capsys):
    assert main(["sample", str(table), "--rows", "8", "--by", "strata", "--json",
                 "--output", str(tmp_path / "s.jsonl")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["column"] == "category"
    assert told["strata"] == {"cold": {"rows": 40, "drawn": 4}, "warm": {"rows": 40, "drawn": 4}}


def test_a_file_with_mistakes_gives_what_it_can_and_ends_with_1(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one fine row"}\n{"text": \n{"text": "another fine row"}\n')
    assert main(["sample", str(path), "--rows", "5", "--output", str(tmp_path / "s.jsonl")]) == 1
    assert len(read(tmp_path / "s.jsonl")) == 2
    told = capsys.readouterr().err
    assert f"{path}:2" in told
    assert "all of them are drawn" in told


@pytest.mark.parametrize(("words", "said"), [
    (["--rows", "0"], "--rows"), (["--by", "random", "--with", "minilm-l6"], "--with"),
    (["--column", "category"], "--by strata"), (["--by", "strata", "--column", "colour"], "colour"),
    (["--by", "nearest"], "invalid choice"),
])
def test_words_that_do_not_fit_are_told_before_anything_is_written(table, tmp_path, capsys, words, said):
    assert main(["sample", str(table), *words, "--output", str(tmp_path / "s.jsonl")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "s.jsonl").exists()


def test_a_file_that_is_there_is_not_written_over(table, tmp_path, capsys):
    (tmp_path / "s.jsonl").write_text("mine\n")
    assert main(["sample", str(table), "--output", str(tmp_path / "s.jsonl")]) == 2
    assert (tmp_path / "s.jsonl").read_text() == "mine\n"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("make", [tiny_encoder, tiny_base])
def test_a_model_says_how_far_apart_rows_are(table, tmp_path, capsys, make):
    base = make(tmp_path / "base")
    capsys.readouterr()
    assert main(["sample", str(table), "--rows", "6", "--with", str(base), "--json",
                 "--output", str(tmp_path / "s.jsonl")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["compared"] == 80
    assert told["coverage"] < told["coverage_of_random"]
