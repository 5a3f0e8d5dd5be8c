"""`tunesmith predict`: a line for each row, in their order, a bad one told in its place."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tiny import tiny_base, tiny_encoder
from tunesmith.cli import main
from tunesmith.workflow import predict as predicting

COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells colours apart."""
    folder = tmp_path_factory.mktemp("predict")
    rows = [{"text": f"a {COLOURS[n % 3]} hat for person number {n}", "label": COLOURS[n % 3]} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tunesmith.train(tunesmith.load_recipe({
        "base": {"name": str(tiny_encoder(folder / "base")), "dtype": "float32"}, "task": "classify",
        "data": {"train": str(folder / "rows.jsonl"), "test": 0, "validation": 0}, "adapter": "full",
        "training": {"learning_rate": 5e-3, "epochs": 8, "batch_size": 8, "max_length": 64},
        "run": {"folder": str(folder / "runs")},
    })).folder


def rows_in(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"text": f"a {COLOURS[n % 3]} hat for person number {n + 500}"}) + "\n"
                            for n in range(count)))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_has_its_line_in_its_place(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predicting, "TOGETHER", 7)  # so that several portions are told one after another
    file = rows_in(tmp_path / "new.jsonl", 20)
    assert main(["predict", str(run), str(file), "--output", str(tmp_path / "out.jsonl")]) == 0
    said = read(tmp_path / "out.jsonl")
    assert [row["where"] for row in said] == [f"{file}:{line}" for line in range(1, 21)]
    assert [row["label"] for row in said] == [COLOURS[n % 3] for n in range(20)]
    assert all(sum(row["scores"].values()) == pytest.approx(1) for row in said)
    assert capsys.readouterr().out == ""


def test_a_bad_row_is_told_in_its_place_and_the_others_are_predicted(run, tmp_path, capsys):
    file = tmp_path / "new.jsonl"
    file.write_bytes(b'{"text": "a red hat for person number 7"}\n{"txt": "a"}\nno json\n{"text": ""}\n'
                     b'{"text": "a blue hat \xff"}\n{"text": "a green hat for person number 8"}\n')
    assert main(["predict", str(run), str(file)]) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["where"].rpartition(":")[2] for row in said] == list("123456")
    assert [row.get("label") for row in said] == ["red", None, None, None, None, "green"]
    for row in said[1:5]:
        assert row["error"] and row["remedy"] and row["kind"]


def test_a_row_that_is_not_read_to_its_end_says_so(run):
    short, long = tunesmith.Run(run).predict([{"text": "a red hat"}, {"text": "a red hat " * 60}])
    assert "unread_tokens" not in short
    assert long["unread_tokens"] > 0 and long["label"] == "red"


def test_rows_come_from_a_pipe(run, capsys, monkeypatch):
    piped = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"text": "a green hat for person number 9"}\n')))
    monkeypatch.setattr(sys, "stdin", piped)
    assert main(["predict", str(run), "-"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "green"


def test_a_summary_is_one_value_and_the_rows_need_a_file(run, tmp_path, capsys):
    file, out = rows_in(tmp_path / "new.jsonl", 3), tmp_path / "out.jsonl"
    assert main(["predict", str(run), str(file), "--json"]) == 2
    capsys.readouterr()
    assert main(["predict", str(run), str(file), "--json", "--output", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 3, "wrong": 0, "output": str(out)}


def test_a_file_that_is_there_is_not_written_over_and_a_torn_one_has_no_name(run, tmp_path, monkeypatch, capsys):
    file, out = rows_in(tmp_path / "new.jsonl", 3), tmp_path / "out.jsonl"
    out.write_text("mine\n")
    assert main(["predict", str(run), str(file), "--output", str(out)]) == 2
    assert out.read_text() == "mine\n"

    def torn(*_: Any, **__: Any) -> Any:
        yield {"where": "rows:1", "label": "red"}
        raise KeyboardInterrupt

    monkeypatch.setattr(predicting, "predict", torn)
    assert main(["predict", str(run), str(file), "--output", str(tmp_path / "other.jsonl")]) == 130
    assert not (tmp_path / "other.jsonl").exists()


def test_the_rows_that_a_run_was_judged_on_are_predicted_as_they_were_judged(run):
    opened = tunesmith.Run(run)
    said = list(opened.predict([{"text": "a red hat for person number 7", "label": "blue"}, {"text": "a blue hat"}]))
    assert [row["label"] for row in said] == ["red", "blue"]
    assert said[0]["where"] == "rows[0]"


def test_a_run_with_a_head_is_not_spoken_with(run, capsys):
    assert main(["chat", str(run), "hello"]) == 2
    assert "tunesmith predict" in capsys.readouterr().err


def test_answers_are_generated_row_by_row(tmp_path, capsys):
    rows = [{"prompt": f"Day {n}?", "answer": f"We count {n} hats."} for n in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tunesmith.train(tunesmith.load_recipe({
        "base": {"name": str(tiny_base(tmp_path / "base")), "dtype": "float32"}, "task": "chat",
        "data": {"train": str(tmp_path / "rows.jsonl"), "test": 0, "validation": 0},
        "training": {"steps": 2, "max_length": 128}, "run": {"folder": str(tmp_path / "runs")}}))
    (tmp_path / "new.jsonl").write_text('{"prompt": "Day 40?"}\n{"prompt": "Day 41?", "answer": "unasked"}\n')
    assert main(["predict", str(run.folder), str(tmp_path / "new.jsonl"), "--max-new-tokens", "4"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["stopped_by"] in ("end", "length") for row in said] == [True, True]
    assert said[0]["text"] == run.generate(["Day 40?"], max_new_tokens=4)[0]
