"""No dead knobs: every option of a recipe is read somewhere outside the room that defines it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from trees import SOURCE, File, files
from tunesmith import catalog
from tunesmith.recipe.options import entry_of
from tunesmith.recipe.sections import Recipe

SECTIONS = {name: info.annotation for name, info in Recipe.model_fields.items()
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)}
BY_NAME = {(section.__name__, field): entry for section in SECTIONS.values()
           for field, info in section.model_fields.items() if (entry := entry_of(info))}
CLASSES = {"Recipe": Recipe, **{section.__name__: section for section in [*SECTIONS.values(), *BY_NAME.values()]}}
BASES = {base.__name__ for section in CLASSES.values() for base in section.__mro__ if issubclass(base, BaseModel)}
STARRED = [(kind, name) for kind in catalog.KINDS for name in catalog.names(kind)]

Read = tuple[str, str]  # the class that is read, and its field


class Reader(ast.NodeVisitor):
    """Collects which fields a file reads, of which class.

    What a name is, it learns from annotations, from what it was assigned, and from the words `recipe` and `settings`;
    so `base.name` of another class named Base is no read of the recipe's.
    """

    def __init__(self, imported: Mapping[str, str], *, settings: bool = False) -> None:
        self.imported = imported
        self.names: dict[str, str] = {"recipe": "Recipe", **({"settings": "Settings"} if settings else {})}
        self.found: set[Read] = set()

    def annotated(self, annotation: ast.expr | None) -> str | None:
        words = re.findall(r"\w+", ast.unparse(annotation)) if annotation is not None else []
        return next((self.imported[word] for word in words if word in self.imported), None)

    def kind(self, node: ast.expr) -> str | None:
        """The class of an expression, where it is one that we know."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            return "Recipe" if called in ("read", "parse", "load_recipe") else None
        if isinstance(node, ast.Attribute):
            if node.attr in ("recipe", "settings"):
                return {"recipe": "Recipe", "settings": self.names.get("settings")}[node.attr]
            if self.kind(node.value) == "Recipe" and node.attr in SECTIONS:
                return SECTIONS[node.attr].__name__
            entry = BY_NAME.get((self.kind(node.value) or "", node.attr))
            return f"{entry.__name__} by name" if entry else None
        if isinstance(node, ast.Subscript) and (self.kind(node.value) or "").endswith(" by name"):
            return (self.kind(node.value) or "").removesuffix(" by name")
        return None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self.names)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                kind = self.annotated(argument.annotation)
                if kind is not None:
                    self.names[argument.arg] = kind
                elif argument.arg in self.names and argument.arg != "settings":
                    del self.names[argument.arg]
        self.generic_visit(node)
        self.names = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            for name, value in zip(parts(target), parts(node.value), strict=False):
                kind = self.kind(value)
                if isinstance(name, ast.Name) and kind is not None:
                    self.names[name.id] = kind

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        kind = self.kind(node.value)
        if kind is not None and isinstance(node.ctx, ast.Load):
            self.found.add((kind, node.attr))


def parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def imported_classes(tree: ast.Module) -> dict[str, str]:
    """The names under which a file imports the recipe's classes."""
    return {alias.asname or alias.name: alias.name for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and "recipe" in (node.module or "").split(".")
            for alias in node.names if alias.name in BASES}


def reads(trees: Iterable[ast.Module]) -> set[Read]:
    found: set[Read] = set()
    for tree in trees:
        reader = Reader(imported_classes(tree))
        reader.visit(tree)
        found |= reader.found
    return found


def settings_reads(trees: Iterable[ast.Module]) -> set[str]:
    """The fields of `Settings` that a starred file, or a file that it imports, reads."""
    found: set[str] = set()
    for tree in trees:
        reader = Reader({"Settings": "Settings"}, settings=True)
        reader.visit(tree)
        found |= {field for kind, field in reader.found if kind == "Settings"}
    return found


def dead(found: set[Read]) -> list[str]:
    return [f"{name}.{field}" for name, section in CLASSES.items() for field in section.model_fields
            if not any((base.__name__, field) in found for base in section.__mro__)]


def beside(file: File) -> Iterator[ast.Module]:
    """A file and the files of the package that it imports: what may read its settings for it."""
    yield file.tree
    paths = {other.path: other.tree for other in files()}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            near = [folder.with_suffix(".py"), *(folder / f"{alias.name}.py" for alias in node.names)]
            yield from (paths[path] for path in near if path in paths)


def starred_file(kind: str, name: str) -> File:
    path = SOURCE.joinpath(*catalog.KINDS[kind].split("."), f"{name}.py")
    return next(file for file in files() if file.path == path)


def test_every_option_of_a_section_is_read_by_another_room():
    assert not dead(reads(file.tree for file in files() if file.room != "recipe"))


@pytest.mark.parametrize(("kind", "name"), STARRED, ids=[f"{kind}-{name}" for kind, name in STARRED])
def test_every_option_of_a_starred_file_is_read_there(kind, name):
    settings = importlib.import_module(f"tunesmith.{catalog.KINDS[kind]}.{name}").Settings
    assert not set(settings.model_fields) - settings_reads(beside(starred_file(kind, name)))


PLANTED = """
from ..recipe.sections import Recipe, Training as Chosen
from ..runs.folder import Run

def named(recipe: Recipe) -> None:
    mix = recipe.data.mix
    mix["general"].share

def one(recipe: Recipe, run: Run) -> None:
    whole, training = 1, recipe.training
    training.epochs
    run.name
    training.keep = 3
    other.training.seed

def two(chosen: Chosen) -> None:
    chosen.clip

class Session:
    recipe: Recipe

    def three(self) -> None:
        return self.recipe.evaluation.every
"""


def test_the_check_tells_a_read_option_from_a_dead_one():
    found = reads([ast.parse(PLANTED)])
    assert ("Mixed", "share") in found
    assert {("Training", "epochs"), ("Training", "clip"), ("Evaluation", "every"), ("Recipe", "training")} <= found
    missed = dead(found)
    assert {"Training.keep", "Training.seed", "Run.name", "Data.system", "Mixed.files"} <= set(missed)
    assert not {"Training.epochs", "Training.clip", "Evaluation.every"} & set(missed)


def test_the_check_tells_a_read_setting_from_a_dead_one():
    source = "def build(settings: Settings, other: Other) -> int:\n    return settings.rank + other.alpha"
    assert settings_reads([ast.parse(source)]) == {"rank"}


def test_the_check_sees_the_whole_package():
    assert {file.path for file in files()} == {Path(path) for path in SOURCE.glob("**/*.py")}
