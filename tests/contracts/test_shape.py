"""The hard limits of the house style, held by the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

from trees import files, spelt, thousand_lines

FILE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL_ARGUMENTS = 5
GUESSES_PER_THOUSAND_LINES = 0.5
BROAD_EXCEPTS_PER_THOUSAND_LINES = 0.2
LEVELS_OF_INHERITANCE = 2
FOREIGN_SIGNATURES = {  # called by a library, with keywords of its own choice
    "encoding/templates/sandbox.py",  # Jinja, for a template
    "encoding/templates/beginnings.py",
    "models/load.py",  # transformers' attention interface
    "models/fast/layers.py", "models/fast/embeddings.py", "models/fast/trial.py",  # transformers' layers and attention
}
WRITERS = {"cli/_main.py", "cli/_output.py", "encoding/templates/sandbox.py"}  # the last one as a child process


def test_no_file_is_longer_than_400_lines():
    assert not [file.name for file in files() if len(file.text.splitlines()) > FILE_LINES]


def test_no_function_is_longer_than_60_lines():
    long = [f"{file.at(node)} {node.name}" for file in files() for node in file.functions()
            if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES]
    assert not long


def test_every_argument_and_every_result_is_annotated():
    bare = [f"{file.at(node)} {node.name}" for file in files() for node in file.functions()
            if _unannotated(node.args) or (node.returns is None and node.name != "__init__")]
    assert not bare


def test_no_function_takes_more_than_five_arguments_by_position():
    wide = [f"{file.at(node)} {node.name}" for file in files() for node in file.functions()
            if len(_by_position(node.args)) > POSITIONAL_ARGUMENTS]
    assert not wide


def test_types_are_known_and_not_guessed():
    guesses = [file.at(call) for file in files() for call in file.calls()
               if spelt(call) == "hasattr" or (spelt(call) == "getattr" and len(call.args) == 3)]
    assert len(guesses) <= GUESSES_PER_THOUSAND_LINES * thousand_lines(), guesses


def test_exceptions_are_caught_by_name():
    broad = [file.at(node) for file in files() for node in ast.walk(file.tree)
             if isinstance(node, ast.ExceptHandler) and _catches_everything(node)]
    assert len(broad) <= BROAD_EXCEPTS_PER_THOUSAND_LINES * thousand_lines(), broad


def test_the_library_never_prints():
    assert not [file.at(call) for file in files() for call in file.calls() if spelt(call) in ("print", "pprint")]


def test_only_the_command_line_writes_to_the_terminal():
    writers = {file.name for file in files() for node in ast.walk(file.tree)
               if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr")}
    assert writers <= WRITERS


def test_keywords_are_named_and_not_passed_through():
    through = [f"{file.at(node)} {node.name}" for file in files() for node in file.functions()
               if node.args.kwarg and file.name not in FOREIGN_SIGNATURES and any(
                   keyword.arg is None and ast.unparse(keyword.value) == node.args.kwarg.arg
                   for call in ast.walk(node) if isinstance(call, ast.Call) for keyword in call.keywords)]
    assert not through


def test_no_module_has_globals_that_change():
    assert not [file.at(node) for file in files() for node in ast.walk(file.tree) if isinstance(node, ast.Global)]


def test_classes_are_two_levels_deep_at_most():
    bases = {node.name: [spelt(base).split("[")[0] for base in node.bases]
             for file in files() for node in ast.walk(file.tree) if isinstance(node, ast.ClassDef)}

    def levels(name: str) -> int:
        return 1 + max((levels(base) for base in bases[name] if base in bases and base != name), default=0)

    assert not [name for name in bases if levels(name) > LEVELS_OF_INHERITANCE]


def test_no_file_is_named_for_nothing():
    hollow = {"utils", "helpers", "common", "core", "manager", "base", "misc"}
    assert not [file.name for file in files() if file.path.stem.lstrip("_") in hollow]


def test_nothing_lies_deeper_than_an_open_folder():
    assert not [file.name for file in files() if file.name.count("/") > 2]


def _by_position(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args]
    return found[1:] if found and found[0].arg in ("self", "cls", "ctx") else found


def _unannotated(arguments: ast.arguments) -> list[str]:
    every = [*_by_position(arguments), *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [each.arg for each in every if each is not None and each.annotation is None]


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(each is None or ast.unparse(each) in ("Exception", "BaseException") for each in caught)


def test_no_two_test_files_have_one_name():
    names = [file.name for file in Path(__file__).resolve().parents[1].rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))  # pytest imports them by their names alone
