"""From a YAML file, or from values, to a `Recipe`; every mistake is told at once, with its line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import Misuse, raise_all
from .combinations import impossible
from .lines import Document, plain, read_yaml, text_of
from .mistakes import mistakes
from .overrides import apply, expand
from .paths import resolve
from .sections import Recipe

NAMELESS = "run"
TEXT = "recipe"  # where a recipe stands that came as text


def load(
    source: Path | str | Mapping[str, Any], overrides: Sequence[str] | Mapping[str, Any] = (), *,
    folder: Path | str | None = None,
) -> Recipe:
    """The recipe of a YAML file, of YAML text (more than one line), or of values that a program made.

    overrides: `["training.epochs=1"]` or `{"training.epochs": 1}`, laid over it. folder: what relative paths of text
    or values count from, by default the current folder; those of a file count from its own. Raises Misuse, or Problems
    with every mistake at once, each with its line.
    """
    laid = [f"{key}={json.dumps(value)}" for key, value in overrides.items()] if isinstance(overrides, Mapping) \
        else overrides
    start = Path(folder or ".").absolute()
    if isinstance(source, Mapping):
        return parse(source, source="recipe", overrides=laid, folder=start)
    if isinstance(source, str) and "\n" in source:
        return checked(_document(source, TEXT), laid, start)
    return read(Path(source), laid)


def read(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a YAML file, with `key=value` overrides laid over it.

    Paths in it become absolute: those of the file count from its folder, those of the overrides from the current one.
    Raises Misuse, or Problems with every mistake of file and overrides.
    """
    return located(path, overrides)[0]


def parse(
    values: Mapping[str, Any], *, source: str, overrides: Sequence[str] = (), folder: Path | None = None
) -> Recipe:
    """The recipe of values that a program made; `source` stands where a file and line would in messages.

    Relative paths count from `folder`, by default the current one.
    """
    return checked(plain(values, source), overrides, folder or Path.cwd())


def located(path: Path, overrides: Sequence[str] = ()) -> tuple[Recipe, Document]:
    """The recipe of a file, and the document that knows where each of its options stands."""
    document = _document(text_of(path), str(path))
    return checked(document, overrides, path.absolute().parent, name=_run_name(path)), document


def _document(text: str, source: str) -> Document:
    document = read_yaml(text, lambda line: f"{source}:{line}")
    if document.values is None:
        raise Misuse("recipe.empty", "the recipe is empty", source,
                     "write at least `base`, `task` and `data: {train: FILE}`")
    if not isinstance(document.values, dict):
        raise Misuse("recipe.value", "the recipe is no mapping of options", f"{source}:1",
                     "write `option: value` lines")
    return document


def checked(document: Document, overrides: Sequence[str], folder: Path, *, name: str = NAMELESS) -> Recipe:
    """The recipe of a document; `name` is the run's where neither document nor overrides name one."""
    expand(document)
    apply(document, overrides)
    run = document.values.setdefault("run", {})
    if isinstance(run, dict):
        run.setdefault("name", name)
    try:
        recipe = Recipe.model_validate_json(json.dumps(document.values))
    except ValidationError as error:
        found = error.errors()
        raise_all([*document.mistakes, *mistakes(found, document), *impossible(document, found)])
        raise
    raise_all([*document.mistakes, *impossible(document, [])])
    return resolve(recipe, document, folder)


def _run_name(path: Path) -> str:
    """What a run is called where nothing names it: as the recipe's file, less what a name cannot hold."""
    letters = (letter if letter.isalpha() or letter.isdecimal() or letter in "_.-" else "-" for letter in path.stem)
    return "".join(letters).lstrip(".-")[:50] or NAMELESS
