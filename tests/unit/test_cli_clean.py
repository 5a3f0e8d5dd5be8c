"""`tunesmith clean`: what a person and a program see, and what is never touched."""

from __future__ import annotations

import json

import pytest

from tunesmith import cli
from tunesmith.runs import durable

GOOD = [{"prompt": "What is  it?", "answer": "A  box.\u00a0", "id": 7, "label": "a  b"},
        {"prompt": "Who is it?", "answer": "Ann.", "id": 8},
        {"prompt": "What is it?", "answer": "A box.", "id": 9},
        {"prompt": "Where?", "answer": "def f():\n    return  1", "id": 10}]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(capsys, *words):
    code = cli.main(["clean", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_rows_come_out_clean_with_all_their_columns_and_the_ledger_adds_up(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    code, told = asked(capsys, "a.jsonl", "--output", "out/b.jsonl", "--steps", "whitespace,duplicates")
    assert code == 0
    assert told["rows"] == {"in": 4, "made": 0, "out": 3, "dropped": 1, "changed": 1}
    assert read(folder / "out/b.jsonl") == [
        {"prompt": "What is it?", "answer": "A box.", "id": 7, "label": "a  b"}, GOOD[1], GOOD[3]]
    assert read(folder / "out/b.ledger.jsonl") == [
        {"where": "a.jsonl:1", "what": "changed", "line": 1,
         "steps": [{"step": "whitespace", "why": "blanks made plain"}]},
        {"where": "a.jsonl:3", "what": "dropped", "steps": [{"step": "duplicates", "why": "a copy of a.jsonl:1"}]}]
    assert {path.name for path in (folder / "out").iterdir()} == {"b.jsonl", "b.ledger.jsonl"}


def test_rows_that_cannot_be_used_are_told_with_their_line_and_stand_in_the_ledger(folder, capsys):
    lines = [json.dumps(GOOD[0]), '{"prompt": "broken', json.dumps({"prompt": "p", "answer": ""}), "[1]",
             json.dumps({"text": "t", "label": "other kind"}), json.dumps(GOOD[1])]
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    assert cli.main(["clean", "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace"]) == 1
    shown = capsys.readouterr()
    for line in (2, 3, 4, 5):
        assert f"a.jsonl:{line}" in shown.err
    assert "rows     6 in = 2 out + 4 dropped" in shown.out
    assert [one["where"] for one in read(folder / "b.ledger.jsonl") if one["what"] == "dropped"] == [
        f"a.jsonl:{line}" for line in (2, 3, 4, 5)]


def test_a_second_time_over_nothing_changes(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl")[0] == 0
    code, told = asked(capsys, "b.jsonl", "--output", "c.jsonl")
    assert (code, told["rows"]["dropped"], told["rows"]["changed"]) == (0, 0, 0)
    assert (folder / "b.jsonl").read_bytes() == (folder / "c.jsonl").read_bytes()
    assert not (folder / "c.ledger.jsonl").read_bytes()


def test_a_dry_run_shows_rows_before_and_after_and_writes_nothing(folder, capsys):
    write(folder / "a.jsonl", [*GOOD, {"prompt": "Mail", "answer": "to  bob.smith@example.org now"}])
    assert cli.main(["clean", "a.jsonl", "--steps", "whitespace", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "- What is  it?\n  + What is it?" in shown.out
    assert "rows     5 in = 5 out + 0 dropped" in shown.out
    assert "bob.smith" not in shown.out + shown.err
    assert [path.name for path in folder.iterdir()] == ["a.jsonl"]


def test_what_is_there_is_not_overwritten_without_a_word_and_never_what_is_read(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    (folder / "b.jsonl").write_text("mine")
    for output, kind in (("b.jsonl", "clean.exists"), ("a.jsonl", "clean.itself"), ("./sub/../a.jsonl", "clean.itself"),
                         ("b.csv", "clean.output")):
        code, told = asked(capsys, "a.jsonl", "--output", output)
        assert (code, told["errors"][0]["kind"]) == (2, kind)
    (folder / "link.jsonl").symlink_to(folder / "a.jsonl")
    assert asked(capsys, "link.jsonl", "--output", "a.jsonl", "--overwrite")[0] == 2
    assert (folder / "b.jsonl").read_text() == "mine"
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--overwrite")[0] == 0
    assert len(read(folder / "b.jsonl")) == 3


def test_all_mistakes_of_a_command_line_are_told_at_once(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitspace,quality", "quality.word=3",
                       "stem.language=german")
    assert code == 2
    assert [(one["kind"], one["remedy"]) for one in told["errors"]] == [
        ("clean.option", "name `stem` in `--steps`, or leave the option out"), ("clean.unknown", "use `whitespace`"),
        ("command.option", "use `words`")]
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--columns", "promt", "--steps", "whitespace")
    assert (code, told["errors"][0]["kind"], told["errors"][0]["remedy"]) == (2, "clean.column", "use `prompt`")
    code, told = asked(capsys, "a.jsonl")
    assert (code, told["errors"][0]["kind"]) == (2, "clean.no_output")
    assert [path.name for path in folder.iterdir()] == ["a.jsonl"]


def test_a_step_that_would_move_what_tags_point_to_is_refused_and_one_that_drops_is_not(folder, capsys):
    (folder / "a.conll").write_text("Ann B-PER\nsings O\n\nAnn B-PER\nsings O\n\nAnn B-LOC\nsings O\n")
    code, told = asked(capsys, "a.conll", "--output", "b.jsonl", "--steps", "whitespace,duplicates")
    assert (code, told["errors"][0]["kind"], told["errors"][0]["where"]) == (3, "clean.points", "a.conll:1")
    code, told = asked(capsys, "a.conll", "--output", "b.jsonl")
    assert (code, told["rows"]["in"], told["rows"]["out"], told["steps"]) == (0, 3, 2, ["duplicates"])
    assert asked(capsys, "b.jsonl", "--output", "c.jsonl")[1]["rows"]["dropped"] == 0


def test_answers_with_offsets_are_only_dropped_and_never_written_anew(folder, capsys):
    rows = [{"question": "Who?  ", "context": " Ann  sings.", "answers": [{"text": "Ann", "answer_start": 1}], "n": 1}]
    write(folder / "a.jsonl", rows)
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace")[0] == 3
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace", "--columns", "context")[0] == 3
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "quality")[0] == 0
    assert read(folder / "b.jsonl") == rows


def test_only_what_is_said_is_cleaned_of_a_conversation_with_tools(folder, capsys):
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a":  "b  c"}'}}
    turns = [{"role": "system", "content": "Be  brief."}, {"role": "user", "content": "Go  on"},
             {"role": "assistant", "content": None, "tool_calls": [call]},
             {"role": "tool", "content": '{"x":  1}', "name": "f"},
             {"role": "assistant", "content": [{"type": "text", "text": "It is  1."}], "reasoning_content": "So  1."}]
    write(folder / "a.jsonl", [{"messages": turns, "id": "x  y"}])
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace")[0] == 0
    [row] = read(folder / "b.jsonl")
    assert row["messages"][:2] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on"}]
    assert row["messages"][2:4] == turns[2:4]
    assert row["messages"][4] == {"role": "assistant", "content": [{"type": "text", "text": "It is 1."}],
                                  "reasoning_content": "So 1."}
    assert row["id"] == "x  y"


def test_columns_that_no_format_knows_are_cleaned_by_their_names(folder, capsys):
    write(folder / "a.jsonl", [{"Sual": "a  b", "Cavablar": ["c  d", "e"], "Qeyd": "f  g"}])
    words = ("a.jsonl", "--output", "b.jsonl", "--columns", "Sual,Cavablar", "--steps", "whitespace")
    assert asked(capsys, *words)[0] == 0
    assert read(folder / "b.jsonl") == [{"Sual": "a b", "Cavablar": ["c d", "e"], "Qeyd": "f  g"}]


def test_long_plain_text_is_cut_between_sentences_and_the_pieces_are_counted(folder, capsys):
    (folder / "a.txt").write_text("One is here. Two is there. Three is gone.\n\nShort one.\n")
    code, told = asked(capsys, "a.txt", "--output", "b.jsonl", "--steps", "sentences", "sentences.characters=30")
    assert (code, told["rows"]) == (0, {"in": 2, "made": 1, "out": 3, "dropped": 0, "changed": 2})
    assert [row["text"] for row in read(folder / "b.jsonl")] == ["One is here. Two is there.", "Three is gone.",
                                                                 "Short one."]
    assert [(one["what"], one["piece"], one["of"], one["line"]) for one in read(folder / "b.ledger.jsonl")] == [
        ("cut", 1, 2, 1), ("cut", 2, 2, 2)]
    write(folder / "l.jsonl", [{"text": "One is here. Two is there. Three is gone.", "label": "x"}])
    code, told = asked(capsys, "l.jsonl", "--output", "c.jsonl", "--steps", "sentences", "sentences.characters=30")
    assert (code, told["errors"][0]["kind"], told["errors"][0]["where"]) == (3, "clean.not_text", "l.jsonl:1")
    assert not (folder / "c.jsonl").exists()


def test_where_no_row_is_left_nothing_is_written_and_the_reasons_are_counted(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "quality", "quality.words=900")
    assert (code, told["errors"][0]["kind"]) == (3, "clean.nothing_left")
    assert "4 by `quality`" in told["errors"][0]["what"]
    (folder / "broken.jsonl").write_text('{"a": \n{"b"\n')
    code, told = asked(capsys, "broken.jsonl", "--output", "b.jsonl")
    assert (code, [one["where"] for one in told["errors"]]) == (3, ["broken.jsonl:1", "broken.jsonl:2"])
    assert sorted(path.name for path in folder.iterdir()) == ["a.jsonl", "broken.jsonl"]


def test_a_stem_for_azerbaijani_is_refused_with_what_to_do(folder, capsys):
    write(folder / "a.jsonl", GOOD)
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "stem", "stem.language=azerbaijani")
    assert (code, told["errors"][0]["kind"]) == (2, "clean.no_stemmer")
    assert "subwords" in told["errors"][0]["remedy"]


def test_rows_that_differ_in_their_label_are_no_copies(folder, capsys):
    write(folder / "a.jsonl", [{"text": "same", "label": "x"}, {"text": "same", "label": "y"},
                               {"text": " same", "label": "x"}])
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "duplicates")[0] == 0
    assert [row["label"] for row in read(folder / "b.jsonl")] == ["x", "y"]


def test_nothing_is_left_behind_where_the_disk_refuses(folder, capsys, monkeypatch):
    write(folder / "a.jsonl", GOOD)

    def full(descriptor, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "sync", full)
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace")
    assert (code, told["errors"][0]["kind"]) == (1, "runs.no_space")
    assert [path.name for path in folder.iterdir()] == ["a.jsonl"]


def test_a_step_of_ones_own_is_named_with_its_package_and_takes_options(folder, capsys, monkeypatch):
    (folder / "ours_to_clean").mkdir()
    (folder / "ours_to_clean/__init__.py").write_text("")
    (folder / "ours_to_clean/loud.py").write_text("""
from pydantic import BaseModel
from tunesmith.contracts import Cleaned
rewrites, sees = True, "a row"
class Settings(BaseModel):
    end: str = "!"
def cleaner(settings, every):
    def clean(texts):
        made = tuple(text if text.endswith(settings.end) else text + settings.end for text in texts)
        return Cleaned(made, "" if made == texts else "made loud")
    return clean
""")
    monkeypatch.syspath_prepend(folder)
    write(folder / "a.jsonl", [{"text": "a"}])
    words = ("a.jsonl", "--output", "b.jsonl", "--steps", "ours_to_clean.loud", "ours_to_clean.loud.end=X")
    assert asked(capsys, *words)[0] == 0
    assert read(folder / "b.jsonl") == [{"text": "aX"}]


def test_conversations_that_differ_in_a_call_are_no_copies(folder, capsys):
    def talk(city, role="user"):
        call = {"function": {"name": "weather", "arguments": {"city": city}}}
        return {"messages": [{"role": role, "content": "And now?"}, {"role": "assistant", "content": "",
                                                                    "tool_calls": [call]}]}

    write(folder / "a.jsonl", [talk("Oslo"), talk("Baku"), talk("Oslo"), talk("Oslo", "system")])
    assert asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "duplicates")[1]["rows"]["dropped"] == 1


def test_rows_that_are_alike_in_the_named_column_alone_are_no_copies(folder, capsys):
    write(folder / "a.jsonl", [{"question": "Is it?", "answer": "Yes."}, {"question": "Was it?", "answer": "Yes."}])
    words = ("a.jsonl", "--output", "b.jsonl", "--columns", "answer", "--steps", "duplicates")
    assert asked(capsys, *words)[1]["rows"]["dropped"] == 0


def test_all_that_is_wrong_with_a_row_is_told(folder, capsys):
    write(folder / "a.jsonl", [{"prompt": "p", "answer": "a"}, {"prompt": "", "answer": ""}])
    code, told = asked(capsys, "a.jsonl", "--output", "b.jsonl", "--steps", "whitespace")
    assert (code, told["rows"]["dropped"]) == (1, 1)
    [finding] = told["findings"]
    assert "`prompt` is empty" in finding["what"]
