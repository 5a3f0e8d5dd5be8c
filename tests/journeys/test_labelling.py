"""Labelling as a person does it: in a terminal of its own, and killed in the middle."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

from telling import tunesmith

COMMAND = "import sys; from tunesmith.cli import main; sys.exit(main())"
ROWS = 12


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Terminal:
    """A process with a terminal around it: what it shows, and what is typed."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.master, end = pty.openpty()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "200"}
        self.process = subprocess.Popen([sys.executable, "-c", COMMAND, *words], cwd=folder, stdin=end, stdout=end,
                                        stderr=end, env=environment, start_new_session=True)
        os.close(end)
        self.shown, self.read_to = "", 0

    def until(self, words: str) -> None:
        """Read until the words are shown, behind what was waited for before."""
        while words not in self.shown[self.read_to:]:
            ready, _, _ = select.select([self.master], [], [], 120)
            assert ready, f"not shown: {words!r}; shown: {self.shown[self.read_to:]!r}"
            self.shown += os.read(self.master, 4096).decode(errors="replace")
        self.read_to = self.shown.index(words, self.read_to) + len(words)

    def type(self, words: str) -> None:
        os.write(self.master, words.encode() + b"\n")

    def close(self) -> int:
        code = self.process.wait(60)
        os.close(self.master)
        return code


def test_a_kill_in_the_middle_of_labelling_loses_no_decision(tmp_path, monkeypatch):
    rows = [{"text": f"row number {n}"} for n in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("label", "rows.jsonl", "--labels", "odd,even", "--output", "out.jsonl", "--by", "anna")
    terminal = Terminal(tmp_path, *command)
    for n in range(5):
        terminal.until(f"row number {n}")
        terminal.until("> ")
        terminal.type("even" if n % 2 == 0 else "o")
    terminal.until("row number 5")  # shown only once the fifth decision is on the disk
    os.killpg(terminal.process.pid, signal.SIGKILL)
    assert terminal.close() == -signal.SIGKILL
    assert [row["label"] for row in read(tmp_path / "out.jsonl")] == ["even", "odd", "even", "odd", "even"]
    # no cursor is moved and nothing is drawn over: a screen reader reads what is written, line by line
    assert "\x1b[" not in terminal.shown.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[?2004", "")

    with (tmp_path / "out.jsonl").open("a") as torn:  # as a power cut may leave it
        torn.write('{"text": "row number 5", "lab')
    monkeypatch.chdir(tmp_path)
    told = tunesmith(*command, "--answers", "-", says="o\ne\no\ne\no\ne\no\n")
    assert told.code == 0
    assert "5 rows are labelled already" in told.out
    assert "half written" in told.err
    labels = [(row["text"], row["label"]) for row in read(tmp_path / "out.jsonl")]
    assert labels == [(row["text"], "odd" if n % 2 else "even") for n, row in enumerate(rows)]
