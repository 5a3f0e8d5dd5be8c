"""The two laws: down the stairs only, and a method is one file; and what may never be imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from importlinter.cli import lint_imports

from trees import SOURCE, files, spelt

PROJECT = SOURCE.parents[1]
WITHOUT_TORCH = {"records", "errors", "contracts", "catalog", "recipe", "runs", "reading", "text", "data", "cleaning",
                 "labelling", "drawing", "workflow", "cli", "__init__"}
LIGHT = WITHOUT_TORCH - {"workflow"}  # what they import comes without torch too
FOUND_NOWHERE_AT_IMPORT = {"transformers", "peft", "gguf", "accelerate", "bitsandbytes", "rich"}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "pickletools"}
HEAVY = ("torch", "transformers", "pydantic", "numpy", "rich", "ruamel")


def test_rooms_import_down_the_stairs_only(monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr("logging.config.dictConfig", lambda settings: None)  # it would silence all loggers there are
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_the_lower_rooms_do_not_import_torch_with_themselves():
    wrong = [f"{file.at(node)} {name}" for file in files() if file.room in WITHOUT_TORCH and not _starred(file.name)
             for node, name in file.imports(at_import=True) if name.split(".")[0] == "torch"]
    assert not wrong


def test_slow_libraries_and_extras_are_imported_only_where_they_are_used():
    wrong = [f"{file.at(node)} {name}" for file in files() for node, name in file.imports(at_import=True)
             if name.split(".")[0] in FOUND_NOWHERE_AT_IMPORT]
    assert not wrong


def test_only_the_recipe_loads_a_choice_by_its_name():
    wrong = [file.at(call) for file in files() if file.room not in ("recipe", "catalog") for call in file.calls()
             if spelt(call) == "catalog.load"]
    named = [file.at(node) for file in files() if file.room != "recipe" for node in ast.walk(file.tree)
             if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("catalog")
             and any(alias.name == "load" for alias in node.names)]
    assert not wrong + named


def test_nothing_is_ever_unpickled():
    imported = [f"{file.at(node)} {name}" for file in files() for node, name in file.imports(at_import=False)
                if name.split(".")[0] in UNPICKLERS]
    called = [f"{file.at(call)} {spelt(call)}" for file in files() for call in file.calls()
              if spelt(call) in ("torch.load", "pickle.load", "pickle.loads", "pandas.read_pickle")
              or any(keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                     for keyword in call.keywords)]
    assert not imported + called


def test_no_shell_is_started():
    assert not [file.at(call) for file in files() for call in file.calls() if spelt(call) in ("os.system", "os.popen")
                or any(keyword.arg == "shell" for keyword in call.keywords)]


def test_help_loads_no_library():
    assert _loaded("from tunesmith.cli import main; main(['--help'])") == []


def test_importing_the_package_loads_no_library():
    assert _loaded("import tunesmith") == []


def test_the_lower_rooms_come_without_torch():
    names = [name for file in files() if file.room in LIGHT and not _starred(file.name)
             and (name := _module(file.path)) != "tunesmith"]
    assert not {"torch", "transformers"} & set(_loaded("; ".join(f"import {name}" for name in names)))


def _starred(name: str) -> bool:
    return name.startswith("data/formats/")


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loaded(code: str) -> list[str]:
    """Which of the heavy libraries a fresh process has loaded after the code."""
    report = f"{code}\nimport sys\nsys.stderr.write(','.join(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return [name for name in done.stderr.split(",") if name]
