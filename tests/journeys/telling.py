"""The command line as a test uses it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith import cli


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value that stdout must hold, on its one line."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, f"not one line: {self.out!r}\n{self.err}"
        return json.loads(self.out)


def tunesmith(*words: object, says: str = "") -> Told:
    """Run a command in this process; `says` is its stdin."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BufferedReader(io.BytesIO(says.encode())), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main([str(word) for word in words])
    finally:
        sys.stdin = before
    return Told(code, out.getvalue(), err.getvalue())


def process(*words: object, folder: Path, says: str = "") -> Told:
    """Run a command in a process of its own. All journeys together may start 25."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from tunesmith.cli import main; sys.exit(main())", *map(str, words)],
        cwd=folder, input=says, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return Told(done.returncode, done.stdout, done.stderr)
