"""The command line itself: verbs, flags, help, exit codes, what goes where."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tunesmith import __version__, cli
from tunesmith.errors import Busy, Misuse, Problems, Refusal

VERBS = {"init", "check", "preview", "train", "evaluate", "compare", "predict", "chat", "export", "list", "explain",
         "push", "sample", "label", "schema", "completion", "doctor", "clean", "serve", "monitor"}


@pytest.fixture
def verb(monkeypatch):
    """Let `tunesmith schema` do what a test wants."""
    from tunesmith.cli import schema

    return lambda does: monkeypatch.setattr(schema, "run", does)


def test_every_verb_is_listed_with_a_line_of_help(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert set(cli.verbs()) == VERBS
    for verb, line in cli.verbs().items():
        assert re.search(rf"^  {verb} +{re.escape(line)}$", shown, re.MULTILINE)
        assert len(line) > 15


def test_no_words_at_all_show_the_help(capsys):
    assert cli.main([]) == 0
    assert "usage: tunesmith" in capsys.readouterr().out


def test_version_is_told(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tunesmith {__version__}\n"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_each_verb_has_help_of_its_own(name, capsys):
    assert cli.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: tunesmith {name}" in shown
    assert "--json" in shown


def test_an_unknown_verb_gets_the_nearest_one_and_exit_code_2(capsys):
    assert cli.main(["trian", "x.yaml"]) == 2
    said = capsys.readouterr().err
    assert "error: there is no verb `trian`" in said
    assert "fix: use `tunesmith train`" in said


def test_every_unknown_flag_gets_the_nearest_one(capsys):
    assert cli.main(["chat", "run", "--temprature", "1", "--max-tokens=3", "--json"]) == 2
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["remedy"] for error in errors] == ["use `--temperature`", "use `--max-new-tokens`"]


def test_flags_may_stand_between_overrides(capsys, tmp_path):
    recipe = tmp_path / "none.yaml"
    assert cli.main(["check", str(recipe), "training.epochs=1", "--json", "training.seed=2"]) == 2
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert str(recipe) in error["what"] + error["where"]


def test_a_missing_argument_is_named_without_a_traceback(capsys):
    assert cli.main(["check"]) == 2
    said = capsys.readouterr().err
    assert "RECIPE" in said
    assert "Traceback" not in said


def test_with_json_an_error_is_one_line_on_stdout_and_text_on_stderr(verb, capsys):
    verb(lambda arguments: _raise(Misuse("a.kind", "it is wrong", "x.yaml:3", "set it right")))
    assert cli.main(["schema", "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1
    assert json.loads(shown.out) == {"errors": [
        {"kind": "a.kind", "what": "it is wrong", "where": "x.yaml:3", "remedy": "set it right"}]}
    assert "error: it is wrong\n  at:  x.yaml:3\n  fix: set it right\n" in shown.err


def test_an_error_without_json_leaves_stdout_empty(verb, capsys):
    verb(lambda arguments: _raise(Refusal("a.kind", "it is refused")))
    assert cli.main(["schema"]) == 3
    assert capsys.readouterr().out == ""


def test_a_run_that_is_held_by_another_ends_with_75(verb):
    verb(lambda arguments: _raise(Busy("run.held", "held")))
    assert cli.main(["schema"]) == 75


def test_many_problems_come_together_twenty_in_full_and_the_rest_counted(verb, capsys):
    every = [Refusal("data.bad", f"row {number}") for number in range(23)] + [Misuse("recipe.bad", "option")]
    verb(lambda arguments: _raise(Problems(every)))
    assert cli.main(["schema", "--json"]) == 3
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["errors"]) == 24
    assert shown.err.count("error: ") == 20
    assert "… and 3 more of `data.bad`" in shown.err
    assert "… and 1 more of `recipe.bad`" in shown.err


def test_the_recipes_line_is_shown_with_a_caret_under_the_word_that_is_wrong(verb, capsys, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("base: x\ntraining: {lerning_rate: 1}\n")
    verb(lambda arguments: _raise(
        Misuse("recipe.unknown", "there is no option `training.lerning_rate`", f"{recipe}:2", "use it")))
    cli.main(["schema"])
    lines = capsys.readouterr().err.splitlines()
    assert "    | training: {lerning_rate: 1}" in lines
    caret = lines[lines.index("    | training: {lerning_rate: 1}") + 1]
    assert caret == "    | " + " " * 11 + "^" * 12


def test_a_missing_file_of_the_system_is_misuse(verb, capsys):
    verb(lambda arguments: Path("/nowhere/at/all.txt").read_text())
    assert cli.main(["schema"]) == 2
    assert "/nowhere/at/all.txt" in capsys.readouterr().err


def test_a_full_disk_is_a_failure_and_no_bug(verb, capsys):
    verb(lambda arguments: _raise(OSError(28, "No space left on device", "/runs/x")))
    assert cli.main(["schema"]) == 1
    said = capsys.readouterr().err
    assert "error: no space left on device\n  at:  /runs/x" in said


def test_spent_memory_says_what_to_lower(verb, capsys):
    verb(lambda arguments: _raise(MemoryError()))
    assert cli.main(["schema"]) == 1
    assert "training.max_length" in capsys.readouterr().err


def test_a_bug_gives_a_short_report_and_the_path_of_a_full_one_without_secrets(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    token = "hf_" + "a1B2" * 9
    verb(lambda arguments: _raise(ZeroDivisionError(f"division with {token}")))
    assert cli.main(["schema"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    [report] = tmp_path.glob("tunesmith-crash-*.txt")
    assert str(report) in said
    text = report.read_text()
    assert "Traceback" in text and "command: tunesmith schema" in text
    assert token not in text + said


def test_ctrl_c_ends_with_130(verb, capsys):
    verb(lambda arguments: _raise(KeyboardInterrupt()))
    assert cli.main(["schema"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_a_library_prints_does_not_stand_beside_the_json(verb, capsys):
    def noisy(arguments):
        print("a library says hello")
        arguments.screen.answer([1, float("nan")])
        return 0

    verb(noisy)
    assert cli.main(["schema", "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "[1, null]\n"
    assert "hello" in shown.err


def test_nothing_is_coloured_when_nobody_looks(verb, capsys):
    verb(lambda arguments: arguments.screen.say("red", "31") or 0)
    cli.main(["schema"])
    assert capsys.readouterr().out == "red\n"


def test_control_characters_of_data_are_shown_and_not_obeyed(verb, capsys):
    verb(lambda arguments: arguments.screen.say("a\x1b[2Jb\u202ec") or 0)
    cli.main(["schema"])
    assert capsys.readouterr().out == "a\\x1b[2Jb\\u202ec\n"


def test_elsewhere_than_on_linux_and_macos_a_clear_word_is_said(capsys, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert cli.main(["schema"]) == 2
    assert "WSL" in capsys.readouterr().err


def _raise(error):
    raise error
