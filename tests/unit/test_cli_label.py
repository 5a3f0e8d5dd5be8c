"""`tunesmith label`: a run suggests, a person decides, and what was decided is trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tiny import tiny_base, tiny_encoder
from tunesmith.cli import main
from tunesmith.data.load import load

COLOURS = ("red", "blue", "green")
WORDS = [("Anna", "met", "Ben"), ("Ben", "left", "Baku"), ("Baku", "is", "large"), ("Anna", "left", "Oslo")]
TAGS = {"Anna": "B-PER", "Ben": "B-PER", "Baku": "B-LOC", "Oslo": "B-LOC"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def train(folder: Path, base: Path, task: Any, rows: list[dict[str, Any]], **training: Any) -> Path:
    return tunesmith.train(tunesmith.load_recipe({
        "base": {"name": str(base), "dtype": "float32"}, "task": task,
        "data": {"train": str(write(folder / "rows.jsonl", rows)), "test": 0, "validation": 0},
        "adapter": "full" if task != "chat" else "lora",
        "training": {"learning_rate": 5e-3, "batch_size": 8, "max_length": 64, **training},
        "run": {"folder": str(folder / "runs")}})).folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells colours apart."""
    folder = tmp_path_factory.mktemp("label")
    rows = [{"text": f"a {COLOURS[n % 3]} hat for person number {n}", "label": COLOURS[n % 3]} for n in range(60)]
    return train(folder, tiny_encoder(folder / "base"), "classify", rows, epochs=8)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Eight rows of hats, of which the run cannot know the fifth; one says the same as another."""
    rows = [{"text": f"a {COLOURS[n % 3]} hat for person number {n + 500}", "channel": "mail"} for n in range(8)]
    rows[4] = {"text": "red blue blue red", "channel": "phone"}
    return write(tmp_path / "new.jsonl", [*rows, {**rows[0], "channel": "phone"}])


def label(data: Path, output: Path, answers: str, *words: str) -> int:
    typed = output.with_name("typed.txt")
    typed.write_text(answers)
    return main(["label", str(data), "--output", str(output), "--answers", str(typed), *words])


def test_the_least_sure_row_is_asked_first_and_what_is_decided_is_written(run, new, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert label(new, out, "blue\n" + "\n" * 7, "--with", str(run), "--by", "anna") == 0
    rows = read(out)
    assert len(rows) == 8
    assert rows[0]["text"] == "red blue blue red"
    assert rows[0] | {"score": 0} == {
        "text": "red blue blue red", "channel": "phone", "label": "blue", "suggested": rows[0]["suggested"],
        "score": 0, "by": "anna", "from_row": f"{new}:5", "row_digest": rows[0]["row_digest"]}
    assert all(row["label"] == row["suggested"] == row["text"].split()[1] for row in rows[1:])
    shown = capsys.readouterr().out
    assert "row 1 of 8, 0 labelled" in shown
    assert "1 blue   2 green   3 red" in shown
    assert "copies    1 rows" in shown


def test_it_goes_on_where_it_stopped(run, new, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert label(new, out, "\n\n2\nu\ns\nq\n", "--with", str(run)) == 0
    first = out.read_text()
    assert "labelled  2 rows: 2 as suggested, 0 otherwise; 1 skipped, 6 left" in capsys.readouterr().out
    assert label(new, out, "\n" * 20, "--with", str(run), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert out.read_text().startswith(first)
    assert (told["labelled"], told["done_before"], told["left"]) == (6, 2, 0)
    assert len({row["row_digest"] for row in read(out)}) == 8
    assert label(new, out, "", "--with", str(run)) == 0
    assert "8 rows are labelled already" in capsys.readouterr().out


def test_labels_may_be_added_to_those_that_the_run_knows(run, new, tmp_path):
    out = tmp_path / "out.jsonl"
    assert label(new, out, "pur\n4\nq\n", "--with", str(run), "--labels", "purple, red") == 0
    assert [row["label"] for row in read(out)] == ["purple", "purple"]


def test_foreign_columns_are_named_and_what_is_written_is_read_without_a_word(run, tmp_path, capsys):
    data, out = tmp_path / "new.csv", tmp_path / "out.jsonl"
    data.write_text("id;Body\n1;a red hat\n2;a blue hat\n")
    assert label(data, out, "", "--labels", "a,b") == 3
    assert "--column text=NAME" in capsys.readouterr().err
    assert not out.exists()
    for words in (("--with", str(run)), ("--labels", "red,blue")):
        out.unlink(missing_ok=True)
        assert label(data, out, "red\nblue\n", *words, "--order", "file", "--column", "text=Body") == 0
        assert [(row["Body"], row["text"], row["label"]) for row in read(out)] == [
            ("a red hat", "a red hat", "red"), ("a blue hat", "a blue hat", "blue")]
        assert load(str(out)).format == "labelled"


def test_rows_in_their_own_order_and_without_a_run(new, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert label(new, out, "a\nb\n\nq\n", "--labels", "a,b", "--order", "file") == 0
    assert [(row["from_row"], row["label"]) for row in read(out)] == [(f"{new}:1", "a"), (f"{new}:2", "b")]
    assert "nothing is suggested" in capsys.readouterr().out


def test_a_file_with_mistakes_is_told_line_by_line_and_the_others_are_labelled(run, tmp_path, capsys):
    data = tmp_path / "new.jsonl"
    data.write_bytes(b'{"text": "a red hat"}\nno json\n{"text": ""}\n{"body": "a"}\n{"text": "a \xff"}\n'
                     b'{"text": "a blue"}\n')
    assert label(data, tmp_path / "out.jsonl", "\n\n", "--with", str(run)) == 1
    assert len(read(tmp_path / "out.jsonl")) == 2
    told = capsys.readouterr().err
    assert all(f"{data}:{line}" in told for line in (2, 3, 4, 5))


@pytest.mark.parametrize(("words", "told"), [
    (["new.jsonl", "--output", "o.jsonl"], "no terminal"),
    (["new.jsonl", "--output", "o.jsonl", "--answers", "typed.txt"], "nothing says what can be chosen"),
    (["new.jsonl"], "a file to write to"),
    (["--output", "o.jsonl"], "rows and a file"),
    (["--compare", "new.jsonl"], "1 were named"),
    (["new.jsonl", "--output", "o.jsonl", "--answers", "gone.txt", "--labels", "a"], "gone.txt"),
    (["gone.jsonl", "--output", "o.jsonl", "--answers", "typed.txt", "--labels", "a"], "there is no file"),
])
def test_what_is_missing_is_told(new, tmp_path, capsys, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typed.txt").write_text("")
    assert main(["label", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_file_of_other_rows_is_refused_and_left_as_it_is(new, tmp_path, capsys):
    out = write(tmp_path / "out.jsonl", [{"text": "mine"}])
    assert label(new, out, "a\n", "--labels", "a,b") == 3
    assert read(out) == [{"text": "mine"}]
    assert f"{out}:1" in capsys.readouterr().err


def test_a_sample_is_labelled_and_trained_on(run, tmp_path, capsys):
    """The whole way: rows are drawn, labelled, checked and learnt from."""
    rows = [{"text": f"a {COLOURS[n % 3]} scarf for person number {n}", "id": n} for n in range(80)]
    pool = write(tmp_path / "pool.jsonl", rows)
    assert main(["sample", str(pool), "--rows", "24", "--output", str(tmp_path / "sample.jsonl")]) == 0
    assert label(tmp_path / "sample.jsonl", tmp_path / "out.jsonl", "\n" * 24, "--with", str(run)) == 0
    labelled = read(tmp_path / "out.jsonl")
    assert all(pool.name in row["from_row"] for row in labelled)
    write(tmp_path / "recipe.yaml", [])
    (tmp_path / "recipe.yaml").write_text(json.dumps({
        "base": {"name": str(run.parent.parent / "base"), "dtype": "float32"}, "task": "classify",
        "data": {"train": "out.jsonl", "validation": 0, "test": 0}, "adapter": "full",
        "training": {"steps": 2, "max_length": 64}, "run": {"folder": str(tmp_path / "runs")}}))
    assert main(["check", str(tmp_path / "recipe.yaml")]) == 0
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 0
    assert load(str(tmp_path / "out.jsonl")).format == "labelled"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagger")
    rows = [{"tokens": list(words), "tags": [TAGS.get(word, "O") for word in words]} for words in WORDS * 6]
    return train(folder, tiny_encoder(folder / "base"), "tag", rows, epochs=10)


def test_entities_are_shown_corrected_by_word_numbers_and_trained_on(tagger, tmp_path, capsys):
    data = write(tmp_path / "new.jsonl", [{"text": "Anna left Baku"}, {"tokens": ["Ben", "met", "Anna", "Berg"]}])
    out = tmp_path / "out.jsonl"
    assert label(data, out, "-\n1 PER; 3 LOC\n\n-\n3-4 per\n1 p\n\n", "--with", str(tagger), "--order", "file") == 0
    assert [row["tags"] for row in read(out)] == [["B-PER", "O", "B-LOC"], ["B-PER", "O", "B-PER", "I-PER"]]
    shown = capsys.readouterr().out
    assert "words: 1 Anna  2 left  3 Baku" in shown
    assert "now: [Anna]PER left [Baku]LOC" in shown
    loaded = load(str(out))
    assert (loaded.format, [one.tags for one in loaded.examples][1]) == ("conll", ("B-PER", "O", "B-PER", "I-PER"))


def test_entities_are_labelled_without_a_run(tmp_path):
    data = write(tmp_path / "new.jsonl", [{"tokens": ["Ben", "met", "Anna", "Berg"]}])
    assert label(data, tmp_path / "out.jsonl", "1 PER\n\n", "--labels", "PER,LOC") == 0
    assert read(tmp_path / "out.jsonl")[0]["tags"] == ["B-PER", "O", "O", "O"]


def test_answers_are_suggested_the_least_likely_first_and_written_as_pairs(tmp_path, capsys):
    rows = [{"prompt": f"Day {n}?", "answer": f"We count {n} hats."} for n in range(12)]
    run = train(tmp_path, tiny_base(tmp_path / "base"), "chat", rows, steps=30, learning_rate=2e-2)
    data = write(tmp_path / "new.jsonl", [{"prompt": "Day 3?"}, {"prompt": "What is the capital of France?"}])
    out = tmp_path / "out.jsonl"
    assert label(data, out, "We count =4= hats.\n\n", "--with", str(run)) == 0
    rows = read(out)
    assert rows[0]["answer"] == "We count =4= hats."
    assert rows[1]["answer"] == rows[1]["suggested"]
    assert rows[0]["score"] <= rows[1]["score"] < 0
    assert load(str(out)).format == "pair"
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    talks = [[{"role": "user", "content": "Day 5?"}],
             [{"role": "user", "content": "Day 6?"}, call, {"role": "tool", "content": "6"}]]
    data, out = write(tmp_path / "talks.jsonl", [{"messages": talk} for talk in talks]), tmp_path / "talks-out.jsonl"
    assert label(data, out, "hello\n", "--with", str(run)) == 1
    assert [row["messages"] for row in read(out)] == [[*talks[0], {"role": "assistant", "content": "hello"}]]
    assert f"{data}:2" in capsys.readouterr().err


ASKED = [
    ("classify", [{"text": f"a {COLOURS[n % 3]} hat", "labels": [COLOURS[n % 3], COLOURS[n % 2]][: 1 + n % 2]}
                  for n in range(12)], {"text": "a hat"}, "1,red\n", "labelled", {"labels": ["blue", "red"]}),
    ({"type": "classify", "kind": "regression"}, [{"text": f"{n} hats", "label": n / 2} for n in range(12)],
     {"text": "7 hats"}, "3.5\n", "labelled", {"label": 3.5}),
    ("extract", [{"question": f"Who is {n}?", "context": f"{n} is Anna.", "answers": {
        "text": ["Anna"], "answer_start": [f"{n} is Anna.".index("Anna")]}} for n in range(12)],
     {"question": "Who is it?", "context": "It is Ben."}, "Carl\nBen\n", "squad",
     {"answers": {"text": ["Ben"], "answer_start": [6]}}),
]


@pytest.mark.parametrize(("task", "rows", "row", "typed", "format", "answered"), ASKED)
def test_every_kind_of_answer_is_suggested_and_given(tmp_path, capsys, task, rows, row, typed, format, answered):
    run = train(tmp_path, tiny_encoder(tmp_path / "base"), task, rows, steps=2)
    out = tmp_path / "out.jsonl"
    assert label(write(tmp_path / "new.jsonl", [row]), out, typed, "--with", str(run)) == 0
    [made] = read(out)
    assert answered.items() <= made.items()
    assert "suggested" in made
    assert "suggested: " in capsys.readouterr().out
    assert load(str(out)).format == format


def test_a_task_without_answers_to_give_is_told(tmp_path, capsys):
    rows = [{"prompt": f"day {n}", "answer": f"we count {n}"} for n in range(8)]
    run = train(tmp_path, tiny_encoder(tmp_path / "base"), "embed", rows, steps=1)
    assert label(write(tmp_path / "new.jsonl", [{"text": "a"}]), tmp_path / "out.jsonl", "", "--with", str(run)) == 2
    assert "suggests no answer" in capsys.readouterr().err


def test_two_peoples_labels_are_compared_and_their_disagreements_written_for_a_third(new, tmp_path, capsys):
    labels = ("--labels", "red,blue,green", "--order", "file")
    assert label(new, tmp_path / "a.jsonl", "r\nb\ng\nr\nb\ng\nr\nb\n", *labels) == 0
    assert label(new, tmp_path / "b.jsonl", "r\nb\ng\nr\nr\ng\nb\nq\n", *labels) == 0
    capsys.readouterr()
    assert main(["label", "--compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--json",
                 "--output", str(tmp_path / "apart.jsonl")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["measure"], told["rows"], told["only_first"], told["only_second"]) == ("kappa", 7, 1, 0)
    assert told["same"] == pytest.approx(5 / 7)
    assert told["low"] < told["value"] < told["high"]
    apart = read(tmp_path / "apart.jsonl")
    assert [(row["said_first"], row["said_second"]) for row in apart] == [("blue", "red"), ("red", "blue")]
    assert apart[0]["where_first"] == f"{tmp_path / 'a.jsonl'}:5"
    assert main(["label", "--compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == 0
    shown = capsys.readouterr().out
    assert "Cohen's kappa 0.56" in shown
    assert "red blue blue red" in shown
    # a third person decides, and sees what the others said
    assert label(tmp_path / "apart.jsonl", tmp_path / "c.jsonl", "r\nr\n", "--labels", "red,blue,green") == 0
    assert "said_first: blue; said_second: red" in capsys.readouterr().out
    assert [row["label"] for row in read(tmp_path / "c.jsonl")] == ["red", "red"]


def test_personal_data_is_masked_where_disagreements_are_told_and_stays_in_the_rows_to_label(tmp_path, capsys):
    one, other = (write(tmp_path / f"{label}.jsonl", [{"text": "write to anna.berg@example.org", "label": label}])
                  for label in "ab")
    words = ["label", "--compare", str(one), str(other)]
    assert main([*words, "--output", str(tmp_path / "apart.jsonl")]) == 0
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert "anna.berg" not in told.out + told.err
    assert read(tmp_path / "apart.jsonl")[0]["text"] == "write to anna.berg@example.org"


def test_files_that_share_no_row_are_not_compared(tmp_path, capsys):
    one = write(tmp_path / "a.jsonl", [{"text": "a", "label": "x"}])
    other = write(tmp_path / "b.jsonl", [{"text": "b", "label": "x"}])
    assert main(["label", "--compare", str(one), str(other)]) == 3
    assert "no row of" in capsys.readouterr().err


def test_entities_and_texts_of_two_people_are_compared_by_what_fits_them(tmp_path, capsys):
    one = write(tmp_path / "a.jsonl", [{"tokens": ["Anna", "left", "Oslo"], "tags": ["B-PER", "O", "B-LOC"]}] * 1
                + [{"tokens": ["Ben", "ate"], "tags": ["B-PER", "O"]}])
    other = write(tmp_path / "b.jsonl", [{"tokens": ["Anna", "left", "Oslo"], "tags": ["B-PER", "O", "O"]},
                                         {"tokens": ["Ben", "ate"], "tags": ["B-PER", "O"]}])
    assert main(["label", "--compare", str(one), str(other)]) == 0
    shown = capsys.readouterr().out
    assert "F1 of the entities 0.800" in shown and "kappa is not defined for entities" in shown
    one, other = (write(tmp_path / name, [{"prompt": "a", "answer": answer}, {"prompt": "b", "answer": "same"}])
                  for name, answer in (("c.jsonl", "x"), ("d.jsonl", "y")))
    assert main(["label", "--compare", str(one), str(other)]) == 0
    assert "share of equal answers 0.500" in capsys.readouterr().out
