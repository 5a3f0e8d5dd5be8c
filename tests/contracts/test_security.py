"""SECURITY.md's table: every test that it names exists; and what a test on the sources can hold of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from trees import files, spelt

PROJECT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")
ARCHIVES = {"zipfile", "tarfile", "zipimport", "py7zr", "rarfile"}
READS_ARCHIVES = {
    "reading/workbooks.py",  # the parts of a workbook that hold cells, within bounds
    "exports/_pt2.py",  # the names in a file that we wrote: whether one of them would be unpickled
}
STARTS_PROGRAMS = {
    "encoding/templates/template.py", "kernels/build.py",  # a child of ours that tries a template; the compiler
    "serving/vllm.py", "jobs/processes.py",  # each with words, of which none is a stranger's
    "exports/_gguf_opened.py", "exports/_pt2.py",  # this Python, which opens an export where a crash ends nothing else
}


def test_every_test_that_the_table_names_exists():
    named = NAMED.findall((PROJECT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) >= 30
    assert not [f"{file}::{name}" for file, name in named if name not in _tests(PROJECT / file)]


def test_no_archive_is_unpacked():
    imported = {file.name for file in files() for _, name in file.imports(at_import=False)
                if name.split(".")[0] in ARCHIVES}
    assert imported <= READS_ARCHIVES
    assert not [file.at(call) for file in files() for call in file.calls()
                if spelt(call).endswith((".extractall", ".unpack_archive", ".extract"))]


def test_only_these_files_start_programs():
    starters = {file.name for file in files() for _, name in file.imports(at_import=False) if name == "subprocess"}
    starters |= {file.name for file in files() for call in file.calls()
                 if spelt(call).startswith(("os.exec", "os.spawn", "os.posix_spawn", "os.fork"))}
    assert starters <= STARTS_PROGRAMS


def _tests(file: Path) -> set[str]:
    assert file.is_file(), file
    return {node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)}
