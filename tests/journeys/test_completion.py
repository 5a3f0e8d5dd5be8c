"""Completion scripts, asked by the shells themselves; zsh and fish where they are installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from telling import tunesmith

CASES = [  # what is typed, and the one word that it becomes
    ("tunesmith tra", "train"),
    ("tunesmith train orders.yaml training.ep", "training.epochs="),
    ("tunesmith check orders.yaml training.epochs=1 data.te", None),
    ("tunesmith check orders.yaml adapter.ra", "adapter.rank="),
    ("tunesmith explain template.pr", "template.prefix"),
    ("tunesmith explain training.le", "training.learning_rate"),
    ("tunesmith completion z", "zsh"),
    ("tunesmith export runs/a mer", "merged"),
    ("tunesmith init rows.jsonl --out", "--output"),
    ("tunesmith chat runs/a --temp", "--temperature"),
]
ONE = [(line, word) for line, word in CASES if word]
PATIENCE_SECONDS = 20


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell, name in (("bash", "tunesmith.bash"), ("zsh", "_tunesmith"), ("fish", "tunesmith.fish")):
        told = tunesmith("completion", shell)
        assert told.code == 0, told.err
        (folder / name).write_text(told.out)
    return folder


def in_bash(scripts: Path, line: str, folder: Path) -> list[str]:
    """What bash would offer: its own words of the line, handed to the function that the script registers."""
    code = ('source "$1"; COMP_WORDS=($2); [[ $2 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1));'
            'function=$(complete -p tunesmith | sed "s/.* -F \\([^ ]*\\).*/\\1/"); "$function" 2>/dev/null;'
            'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", code, "bash", scripts / "tunesmith.bash", line],
                          capture_output=True, text=True, cwd=folder, check=False)
    return done.stdout.split()


@needs("bash")
@pytest.mark.parametrize(("line", "word"), ONE)
def test_bash_completes(scripts, tmp_path, line, word):
    assert in_bash(scripts, line, tmp_path) == [word]


@needs("bash")
def test_bash_offers_all_there_is(scripts, tmp_path):
    from tunesmith import cli

    assert in_bash(scripts, "tunesmith ", tmp_path) == list(cli.verbs())
    assert in_bash(scripts, "tunesmith check orders.yaml training.epochs=1 data.te", tmp_path) == \
        ["data.temperature=", "data.template=", "data.test="]


@needs("bash")
def test_bash_completes_files_for_a_recipe_and_folders_for_a_run(scripts, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "rows.yaml").write_text("")
    assert in_bash(scripts, "tunesmith check ro", tmp_path) == ["rows.yaml"]
    assert in_bash(scripts, "tunesmith chat r", tmp_path) == ["runs"]


@needs("fish")
@pytest.mark.parametrize(("line", "word"), ONE)
def test_fish_completes(scripts, tmp_path, line, word):
    done = subprocess.run(["fish", "--no-config", "-c", f"source {scripts / 'tunesmith.fish'}; complete -C '{line}'"],
                          capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)},
                          check=False)
    assert [offered.split("\t")[0] for offered in done.stdout.splitlines()] == [word], done.stderr


@needs("zsh")
@pytest.mark.parametrize(("line", "word"), ONE[:4])
def test_zsh_completes(scripts, tmp_path, line, word):
    shown = in_zsh(scripts, line, line.rsplit(" ", 1)[0] + " " + word, tmp_path)
    assert f"{line.rsplit(' ', 1)[0]} {word}" in shown


def in_zsh(scripts: Path, line: str, wanted: str, folder: Path) -> str:
    """What stands on zsh's command line once Tab was pressed; zsh completes on a terminal only."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="dumb", HOME=str(folder), COLUMNS="200")
        os.chdir(folder)
        os.execvp("zsh", ["zsh", "-f", "-i"])

    def until(text: str) -> str:
        seen = b""
        while text.encode() not in seen and select.select([terminal], [], [], PATIENCE_SECONDS)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
        return seen.decode(errors="replace")

    try:
        os.write(terminal, f"fpath=({scripts} $fpath); autoload -U compinit; compinit -u -D; echo RE''ADY\n".encode())
        until("READY")
        os.write(terminal, line.encode() + b"\t")
        return until(wanted)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def test_a_shell_that_is_not_known_is_refused_with_those_that_are():
    told = tunesmith("completion", "tcsh")
    assert told.code == 2
    assert "bash" in told.err and "zsh" in told.err and "fish" in told.err


def test_without_its_extra_completion_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shtab", None)
    told = tunesmith("completion", "bash")
    assert told.code == 2
    assert "pip install 'tunesmith[completion]'" in told.err
