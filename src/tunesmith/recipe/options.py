"""Which options there are, from the sections and from the `Settings` of the files that a recipe names."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .. import catalog
from ..errors import Misuse
from .lines import Steps, spell
from .other_programs import OURS
from .sections import Recipe
from .starred import Choice, settings_of


@dataclass(frozen=True)
class Option:
    """One option: its path, the model whose field it is, and, where it is a section, what checks its options."""

    path: Steps
    owner: type[BaseModel]
    info: FieldInfo
    inner: type[BaseModel] | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return str(self.path[-1])

    @property
    def choice(self) -> Choice | None:
        """The open folder that it names a file of."""
        return choice_of(self.info)


def choice_of(info: FieldInfo) -> Choice | None:
    """The `Choice` of a field, also where the field may be null."""
    found = [*info.metadata, *(part for inner in typing.get_args(info.annotation) for part in typing.get_args(inner))]
    return next((part for part in found if isinstance(part, Choice)), None)


def entry_of(info: FieldInfo) -> type[BaseModel] | None:
    """What checks each entry of a field that holds sections by names of the user's choice; None for other fields."""
    inside = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is dict else ()
    found = inside[1] if inside else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def options(path: Steps, model: type[BaseModel], values: Any, *, files: bool = True) -> Iterator[Option]:
    """Every option from `path` down, sections before what is in them; `values` tell which files are chosen.

    Without `files` nothing of an open folder is imported, nor are the options of its files among those returned.
    """
    for name, info in model.model_fields.items():
        here = (*path, name)
        below = values.get(name) if isinstance(values, Mapping) else None
        entry = entry_of(info)
        if entry is not None:
            yield Option(here, model, info, entry)
            for own, inside in below.items() if isinstance(below, Mapping) else ():
                yield Option((*here, own), model, info, entry)
                yield from options((*here, own), entry, inside, files=files)
            continue
        inner = model_of(info, below) if files or choice_of(info) is None else None
        yield Option(here, model, info, inner)
        if inner is not None:
            yield from options(here, inner, below, files=files)


def every(values: Any, *, files: bool = True) -> dict[Steps, Option]:
    """Every option of a recipe with these values, by path."""
    return {option.path: option for option in options((), Recipe, values, files=files)}


def model_of(info: FieldInfo, value: Any) -> type[BaseModel] | None:
    """What checks the options of a section: its own class, or the `Settings` of the file that it names."""
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        return info.annotation
    choice = choice_of(info)
    if choice is None:
        return None
    name = value.get("type", choice.default) if isinstance(value, Mapping) else choice.default
    if not isinstance(name, str):
        return None
    try:
        return settings_of(choice.kind, name, catalog.load(choice.kind, name))
    except (Misuse, ValueError, TypeError):  # told where the section itself is checked
        return None


def meant(path: Steps, known: Mapping[Steps, Option]) -> Steps | None:
    """The option that an unknown path was probably meant to be: misspelt, in another section, or of another program."""
    name, here = str(path[-1]), path[:-1]
    same = [other for other in known if other[-1] == name]
    if same:
        return same[0]
    ours = tuple((OURS.get(spell(path)) or OURS.get(name, "")).split("."))
    if ours in known:
        return ours
    near = catalog.nearest(name, siblings(here, known))
    if near:
        return (*here, near)
    near = catalog.nearest(name, [str(other[-1]) for other in known])
    return next((other for other in known if other[-1] == near), None)


def siblings(section: Steps, known: Mapping[Steps, Option]) -> Sequence[str]:
    """The names of the options of one section."""
    return [str(path[-1]) for path in known if path[:-1] == section]
