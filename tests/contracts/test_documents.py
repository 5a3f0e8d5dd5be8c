"""What the documents promise is what there is."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tunesmith import cli
from tunesmith.recipe.read import parse

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readmes_recipe_can_be_read():
    [recipe] = blocks("yaml")
    read = parse(YAML(typ="safe", pure=True).load(recipe), source="README.md", folder=PROJECT)
    assert (read.task.type, read.adapter.type) == ("chat", "lora")


def test_the_readmes_python_uses_public_names_only():
    import tunesmith

    [code] = blocks("python")
    used = {node.attr for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tunesmith"}
    assert used and used <= set(tunesmith.__all__)


def test_the_readme_names_every_verb():
    [named] = re.findall(r"The verbs are `([a-z\s]+)`", README)
    assert set(named.split()) == set(cli.verbs())


def test_every_command_in_the_documents_is_a_verb_there_is():
    for document in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (PROJECT / document).read_text(encoding="utf-8")
        verbs = set(re.findall(r"(?:^|`)tunesmith ([a-z]+)", text, re.MULTILINE))
        assert verbs <= set(cli.verbs()), document


def test_every_file_that_a_document_links_to_is_there():
    for document in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = (PROJECT / document).read_text(encoding="utf-8")
        linked = [name for name in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in name]
        assert all((PROJECT / name).is_file() for name in linked), document


def test_ci_runs_the_test_command_of_the_readme_and_ends_with_its_summary(tmp_path):
    project = _stage(tmp_path, tests="echo '2 passed, 1 skipped in 3.21s (0:00:03)'", lint="echo clean")
    done = subprocess.run([str(project / ".ci" / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 passed, 1 skipped in 3.21s (0:00:03)"


@pytest.mark.parametrize(("tests", "lint"), [("echo '1 failed in 0.1s'; exit 1", "true"), ("echo '1 passed in 0.1s'",
                                                                                          "false")])
def test_ci_fails_where_the_tests_or_the_linters_fail(tmp_path, tests, lint):
    project = _stage(tmp_path, tests=tests, lint=lint)
    done = subprocess.run([str(project / ".ci" / "run")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert " in 0.1s" in done.stdout.splitlines()[-1]


def test_the_makefile_has_what_the_documents_name():
    made = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in ("setup", "demo", "test", "faults", "lint", "bench"):
        assert re.search(rf"^{target}:", made, re.MULTILINE)
    assert "://" not in made


def _stage(folder: Path, *, tests: str, lint: str) -> Path:
    """A project whose tests and linters do as they are told."""
    (folder / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "run", folder / ".ci" / "run")
    assert os.access(folder / ".ci" / "run", os.X_OK)
    (folder / "README.md").write_text(README, encoding="utf-8")
    (folder / "Makefile").write_text(f"test:\n\t@{tests}\nlint:\n\t@{lint}\n")
    return folder
