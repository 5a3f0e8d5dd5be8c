"""Rows are added to a file from which a run was trained: those that were held out stay so, and leaks are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telling import tunesmith
from tiny import tiny_base

LONG = "the quick brown fox jumps over the lazy dog while seven wizards brew a strong and bitter potion for the king"
QUICK = ("training.steps=2", "evaluation.generate=0")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("sides") / "base")


def rows(path: Path, count: int, *more: str) -> None:
    said = [f"row number {number} is about {number * 7} hats and nothing else" for number in range(count)]
    path.write_text("".join(json.dumps({"prompt": each, "answer": "so it is"}) + "\n" for each in [*said, *more]))


@pytest.fixture
def recipe(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "hats.yaml"
    path.write_text(json.dumps({
        "base": str(base), "task": "chat", "training": {"max_length": 256, "batch_size": 4},
        "data": {"train": "rows.jsonl", "validation": 0.2, "test": 0.2, "sides": "hats.sides.jsonl"},
        "run": {"folder": str(tmp_path / "runs")}}))
    return path


def kinds(told) -> list[str]:
    return [finding["kind"] for finding in told.json["findings"]]


def test_the_file_is_written_by_train_alone_and_rows_that_are_added_change_no_side(recipe, tmp_path):
    data, sides = tmp_path / "rows.jsonl", tmp_path / "hats.sides.jsonl"
    rows(data, 40)
    first = tunesmith("check", recipe, "--json")
    assert first.code == 0 and not sides.exists()
    assert "data.sides_new" in kinds(first)
    assert sum(first.json["split"]["groups"].values()) == 40 and first.json["split"]["set_aside"] == 0
    run = tunesmith("train", recipe, *QUICK, "--json")
    assert run.code == 0, run.err
    before = sides.read_text()
    assert len(before.splitlines()) == 41
    again = tunesmith("check", recipe, "--json")
    assert again.json["rows"] == first.json["rows"] and "data.sides_new" not in kinds(again)

    rows(data, 60, LONG, LONG + " again")
    assert tunesmith("train", recipe, *QUICK, "training.seed=5", "--json").code == 0
    assert sides.read_text().startswith(before)
    assert len(sides.read_text().splitlines()) == 63
    added = sides.read_text().splitlines()[-2:]
    assert json.loads(added[0])["side"] == json.loads(added[1])["side"]


def test_a_run_goes_on_though_the_file_of_sides_grew_meanwhile(recipe, tmp_path):
    data, sides = tmp_path / "rows.jsonl", tmp_path / "hats.sides.jsonl"
    rows(data, 40)
    stopped = tunesmith("train", recipe, "training.steps=4", "training.save_every=2", "evaluation.generate=0", "--json")
    run = Path(stopped.json["run"])
    for line in ("verdict.json", "verdict.md", "verdict.html"):
        (run / line).unlink(missing_ok=True)
    records = run / "records.jsonl"
    records.write_text("".join(each for each in records.read_text().splitlines(keepends=True)
                               if json.loads(each)["kind"] == "step"))
    other = tmp_path / "more.jsonl"
    rows(other, 70)
    assert tunesmith("train", recipe, f"data.train={other}", *QUICK, "--json").code == 0
    assert len(sides.read_text().splitlines()) == 71
    resumed = tunesmith("train", "--resume", run, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["verdict"]


def test_another_share_is_told_where_the_sides_are_remembered(recipe, tmp_path):
    rows(tmp_path / "rows.jsonl", 40)
    assert tunesmith("train", recipe, *QUICK, "--json").code == 0
    told = tunesmith("check", recipe, "data.test=0.4", "--json")
    assert "data.sides_differ" in kinds(told)
    assert told.json["rows"] == tunesmith("check", recipe, "--json").json["rows"]


@pytest.mark.parametrize(("leaks", "code", "kept"), [("warn", 0, 2), ("drop", 0, 1), ("refuse", 3, 2)])
def test_near_duplicates_in_a_named_test_file_are_leaks(recipe, tmp_path, leaks, code, kept):
    rows(tmp_path / "rows.jsonl", 20, LONG)
    rows(tmp_path / "test.jsonl", 0, LONG + " indeed", "what nobody has said before")
    told = tunesmith("check", recipe, f"data.test={tmp_path / 'test.jsonl'}", "data.validation=0",
                     f"data.leaks={leaks}", "--json")
    assert told.code == code and told.json["rows"]["test"] == kept
    finding = next(each for each in told.json["findings"] if each["kind"] in ("data.leak", "data.left_out"))
    assert "1 as near-duplicates, test.jsonl:1 beside rows.jsonl:21" in finding["what"]
    assert finding["severity"] == {"warn": "warning", "drop": "note", "refuse": "error"}[leaks]


def test_rows_are_divided_by_their_dates_and_one_without_is_named(recipe, tmp_path):
    data = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"row number {day}", "answer": "yes", "day": f"2026-01-{day:02}"} for day in range(1, 21)]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = tunesmith("check", recipe, "data.time.column=day", "data.sides=null", "--json")
    assert told.code == 0 and told.json["rows"] == {"train": 12, "validation": 4, "test": 4}
    note = next(each for each in told.json["findings"] if each["kind"] == "data.time")
    assert note["what"] == "rows are held out by their time: `validation_from` 2026-01-13 and `test_from` 2026-01-17"
    assert "data.moving" in kinds(told) and "data.unused_columns" not in kinds(told)
    named = tunesmith("check", recipe, "data.time={column: day, test_from: 2026-01-19}", "--json")
    assert named.json["rows"] == {"train": 14, "validation": 4, "test": 2}
    data.write_text(data.read_text() + '{"prompt": "a", "answer": "b", "day": "soon"}\n')
    wrong = tunesmith("check", recipe, "data.time.column=day", "--json")
    assert wrong.code == 3
    error = next(each for each in wrong.json["findings"] if each["severity"] == "error")
    assert (error["kind"], error["where"].rsplit("/", 1)[-1]) == ("data.no_time", "rows.jsonl:21")


def test_dates_that_followed_from_shares_stay_when_later_rows_are_added(recipe, tmp_path):
    data = tmp_path / "rows.jsonl"

    def days(count: int) -> None:
        data.write_text("".join(json.dumps({"prompt": f"row number {number}", "answer": "yes", "day": 86400 * number})
                                + "\n" for number in range(count)))

    days(20)
    assert tunesmith("train", recipe, "data.time.column=day", *QUICK, "--json").code == 0
    days(30)
    told = tunesmith("check", recipe, "data.time.column=day", "--json")
    assert told.json["rows"] == {"train": 12, "validation": 4, "test": 14}


@pytest.mark.parametrize(("option", "says"), [
    ("data.time={column: day, test_from: 2026-01-01} data.test=0", "no share"),
    ("data.time={test_from: 2026-01-01}", "no column"), ("data.stratify=true data.time.column=day", "leave one"),
    ("data.stratify=true data.test=0 data.validation=0", "neither"), ("data.group=[]", "data.group"),
    ("data.near=0.2", "data.near"), ("data.time.column=day data.documents.characters=100", "joins rows")])
def test_options_that_cannot_be_are_refused(recipe, tmp_path, option, says):
    rows(tmp_path / "rows.jsonl", 20)
    words = option.replace("} ", "}|").replace("true ", "true|").replace("day ", "day|").replace("0 ", "0|").split("|")
    told = tunesmith("check", recipe, *words)
    assert told.code == 2 and says in told.err


def test_labels_keep_their_shares(recipe, tmp_path):
    data = tmp_path / "rows.csv"
    lines = [f"text number {number} here,{'ab'[number % 5 == 0]}\n" for number in range(100)]
    data.write_text("text,label\n" + "".join(lines))
    told = tunesmith("check", recipe, "task=classify", f"data.train={data}", "data.stratify=true", "--json")
    labels = next(each["series"] for each in told.json["audit"]["labels"]["figures"] if each["title"] == "Labels")
    assert labels["test"] == pytest.approx([16, 4], abs=1) and labels["validation"] == pytest.approx([16, 4], abs=2)


def test_rows_that_share_any_of_several_columns_stay_together(recipe, tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({
        "prompt": f"what about {number}", "answer": "yes", "author": f"a{number // 3}", "document": f"d{number // 2}"})
        + "\n" for number in range(12)))
    told = tunesmith("check", recipe, "data.group=[author, document]", "--json")
    assert sum(told.json["split"]["groups"].values()) == 2 and told.json["split"]["largest"] == 6
