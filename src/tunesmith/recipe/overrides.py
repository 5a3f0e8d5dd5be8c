"""`key=value` overrides, whose values are YAML, and the short forms of sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Misuse, Problem
from .lines import Document, Steps, read_yaml
from .sections import ADAPTER, OPTIMISER
from .sources import expanded

SHORT: dict[Steps, str] = {
    ("base",): "name",
    ("task",): "type",
    ("adapter",): "type",
    ("data", "format"): "type",
    ("training", "optimiser"): "type",
}
BY_NAME: tuple[Steps, ...] = (("data", "mix"), ("evaluation", "also"))
DEFAULTS: dict[Steps, str] = {("adapter",): ADAPTER, ("training", "optimiser"): OPTIMISER}
SECTIONS: tuple[Steps, ...] = (("data",), ("training",), ("evaluation",), ("run",), *SHORT)


def expand(document: Document) -> None:
    """Write the short forms out, so that `base: X` is `base: {name: X}`; an empty section is one without options."""
    for section in SECTIONS:
        above = _inside(document.values, section[:-1])
        if above is None or section[-1] not in above:
            continue
        value = above[section[-1]]
        if section not in SHORT and value is None:
            above[section[-1]] = {}
        elif section in SHORT and isinstance(value, str):
            above[section[-1]] = {SHORT[section]: value}
            document.places[*section, SHORT[section]] = document.place(section)
    for section in BY_NAME:
        above = _inside(document.values, section[:-1])
        if above is not None and section[-1] in above:
            above[section[-1]] = expanded(above[section[-1]])


def apply(document: Document, overrides: Sequence[str]) -> None:
    """Lay overrides over the values; the last of two for one option counts. Mistakes are collected."""
    found = [override for text in overrides if (override := _parse(text, document.mistakes))]
    # a changed type throws the other type's options out, which must not hit those of this command line
    for path, read in sorted(found, key=lambda override: not _is_type(override[0])):
        _lay(document, path, read)
        expand(document)


def _parse(text: str, mistakes: list[Problem]) -> tuple[Steps, Document] | None:
    where = f"command line: `{text}`"
    key, equals, value = text.partition("=")
    path: Steps = tuple(key.split("."))
    if not equals or not all(path):
        mistakes.append(Misuse("recipe.override", f"`{text}` is no override", where,
                               "write `option=value`, such as `training.epochs=2`"))
        return None
    try:
        read = read_yaml(value, lambda line: where)
    except Misuse as error:
        mistakes.append(error)
        return None
    read.places = {(*path, *inner): where for inner in read.places}
    mistakes.extend(read.mistakes)
    return path, read


def _is_type(path: Steps) -> bool:
    return path in SHORT or (path[:-1] in SHORT and path[-1] == SHORT[path[:-1]])


def _lay(document: Document, path: Steps, read: Document) -> None:
    """Put a value at its path: a section changes where it says so, anything else is replaced."""
    if path[:-1] in SHORT and path[-1] == "type":
        path, value = path[:-1], {"type": read.values}
    elif path in SHORT and isinstance(read.values, str):
        value = {SHORT[path]: read.values}
        read.places[*path, SHORT[path]] = read.place(path)
    elif path in SECTIONS and isinstance(read.values, dict):
        value = read.values
    else:
        _replace(document, path, read)
        return
    old = _inside(document.values, path) or {}
    if old and "type" in value and value["type"] != old.get("type", DEFAULTS.get(path)):
        _forget(document, path)
    for key, inner in value.items():
        _replace(document, (*path, key), Document(inner, read.places))


def _replace(document: Document, path: Steps, read: Document) -> None:
    inside = document.values
    for depth, step in enumerate(path[:-1], 1):
        if not isinstance(inside.get(step), dict):
            inside[step] = {}
            document.places[path[:depth]] = read.place(path)
        inside = inside[step]
    inside[path[-1]] = read.values
    for place in [known for known in document.places if known[: len(path)] == path]:
        del document.places[place]
    document.places.update({known: where for known, where in read.places.items() if known[: len(path)] == path})
    document.places.setdefault(path, read.place(path))


def _forget(document: Document, path: Steps) -> None:
    for place in [known for known in document.places if len(known) > len(path) and known[: len(path)] == path]:
        del document.places[place]
    above: Any = _inside(document.values, path[:-1])
    above[path[-1]] = {}


def _inside(values: Any, path: Steps) -> dict[str, Any] | None:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else None
