"""What an option is, its range and what to try; and a whole recipe with the origin of each value, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .. import catalog
from ..errors import Misuse
from .lines import Steps, spell
from .mistakes import summary
from .options import Option, entry_of, every, meant, options
from .origins import origins
from .overrides import BY_NAME
from .schema import describe, field_schema
from .starred import Choice, Section, settings_of

LISTS = {"run.observers": "observer", "data.audit": "audit", "data.augment": "augment"}  # by the folder they list
ANY = "NAME"  # stands for the names that a user chooses
ONE_OF_EACH: dict[str, Any] = {"data": {"mix": {ANY: {}}}, "evaluation": {"also": {ANY: {}}}}


def option(name: str) -> str:
    """The documentation of an option or a section (`training.learning_rate`, `adapter.rank`, `adapter`), as text.

    An option that several files of a folder have is told for each of them. Raises Misuse for an unknown one.
    """
    path = _nameless(tuple(name.split(".")))
    known = every(ONE_OF_EACH, files=False)
    path = path[:-1] if path[-1] == "type" and path[:-1] in known and known[path[:-1]].choice else path
    found = list(_found(path, known))
    if not found:
        near = meant(path, {**known, **_all_choices(known)})
        raise Misuse("explain.unknown", f"there is no option `{name}`", name,
                     f"use `{spell(near)}`" if near else f"use one of: {', '.join(_top(known))}")
    return "\n\n".join(found)


def recipe(path: Path, overrides: Sequence[str] = ()) -> str:
    """The resolved recipe, a line an option: its value, and where it comes from."""
    found = origins(path, overrides)
    values = {name: json.dumps(origin.value, ensure_ascii=False) for name, origin in found.items()}
    wide, long = max(map(len, values)), min(40, max(map(len, values.values())))
    return "\n".join(f"{name:{wide}}  {values[name]:{long}}  {origin.origin}" for name, origin in found.items())


def names() -> list[str]:
    """Every option that a recipe can set, of every file of every open folder, sorted; sections are none."""
    known = every({}, files=False)
    leaves = {path: told for path, told in {**known, **_all_choices(known)}.items() if told.inner is None}
    chosen = [(*path, "type") if told.choice else path for path, told in leaves.items()]
    return sorted({spell(path) for path in chosen})


def _nameless(path: Steps) -> Steps:
    """The path with the user's own name of a section left open."""
    for section in BY_NAME:
        if path[: len(section)] == section and len(path) > len(section):
            return (*section, ANY, *path[len(section) + 1 :])
    return path


def _found(path: Steps, known: dict[Steps, Option]) -> Iterator[str]:
    for other in _choices(known):
        section, choice = other.path, other.choice
        if choice is None or path[: len(section)] != section or len(path) == len(section):
            continue
        for kind in catalog.names(choice.kind):
            inside = _inside(section, choice, kind)
            if path in inside:
                yield _text(inside[path], f" ({section[-1]}: {kind})")
    if path in known:
        yield _text(known[path], "")


def _choices(known: dict[Steps, Option]) -> list[Option]:
    return [other for other in known.values() if other.choice is not None]


def _inside(section: Steps, choice: Choice, kind: str) -> dict[Steps, Option]:
    settings = settings_of(choice.kind, kind, catalog.load(choice.kind, kind))
    return {inner.path: inner for inner in options(section, settings, {})}


def _all_choices(known: dict[Steps, Option]) -> dict[Steps, Option]:
    found: dict[Steps, Option] = {}
    for other in _choices(known):
        for kind in catalog.names(other.choice.kind) if other.choice else ():
            found |= _inside(other.path, other.choice, kind) if other.choice else {}
    return found


def _text(told: Option, of: str) -> str:
    documentation = told.info.description or ""
    if told.choice is not None:
        default = f", default `{told.choice.default}`" if told.choice.default else ""
        head = f"{spell(told.path)}{of}: one {told.choice.kind}{default}"
        return "\n".join([head, "", documentation, "", *_kinds(told)])
    if told.inner is not None:
        by_name = " for each name of your choice" if entry_of(told.info) and told.path in BY_NAME else ""
        head = f"{spell(told.path)}: a section{by_name}"
        return "\n".join([head, "", documentation, "", *_members(told.path, told.inner)])
    head = f"{spell(told.path)}{of}: {describe(field_schema(told.owner, told.name))}{_default(told)}"
    text = f"{head}\n\n{documentation}"
    if told.path == ("evaluation", "metric"):
        text += "\n\n" + "\n".join(f"  {name}" for name in catalog.names("metric"))
    if spell(told.path) in LISTS:
        text += "\n\n" + "\n".join(_files(LISTS[spell(told.path)]))
    return text


def _default(told: Option) -> str:
    value: Any = told.info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return ", no default"
    value = [each.type if isinstance(each, Section) else each for each in value] if isinstance(value, tuple) else value
    return f", default {'`' + value + '`' if isinstance(value, str) else json.dumps(value)}"


def _files(kind: str) -> Iterator[str]:
    for name in catalog.names(kind):
        module = catalog.load(kind, name)
        inside = ", ".join(settings_of(kind, name, module).model_fields)
        yield f"  {name}: {_first(module)}" + (f" Options: {inside}." if inside else "")


def _first(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _kinds(told: Option) -> Iterator[str]:
    choice = told.choice
    for kind in catalog.names(choice.kind) if choice else ():
        module = catalog.load(choice.kind, kind) if choice else None
        first = _first(module) if module else ""
        inside = _inside(told.path, choice, kind) if choice else {}
        names = ", ".join(str(path[-1]) for path in inside)
        yield f"  {kind}: {first}" + (f" Options: {names}." if names else "")


def _members(path: Steps, model: type[BaseModel]) -> Iterator[str]:
    members = [member for member in options(path, model, {}, files=False) if len(member.path) == len(path) + 1]
    wide = max(len(member.name) for member in members)
    return (f"  {member.name:{wide}}  {summary(member)}" for member in members)


def _top(known: dict[Steps, Option]) -> list[str]:
    return [str(path[0]) for path in known if len(path) == 1]
