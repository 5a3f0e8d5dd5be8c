"""Paths in a recipe made absolute, so that it means the same wherever it is read again."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import located
from .hub_id import URL, parse
from .lines import Document, Steps
from .sections import Recipe
from .sources import Rows
from .starred import Section

COMMAND_LINE = "command line"
SomeRows = TypeVar("SomeRows", bound=Rows)
MaybeSection = TypeVar("MaybeSection", Section, Section | None)
TEMPLATES = (".jinja", ".jinja2", ".j2", ".txt")


def resolve(recipe: Recipe, document: Document, folder: Path) -> Recipe:
    """The recipe with absolute paths in `data` and `base`; `run.folder` stays as it is.

    A path counts from the recipe's folder, one of the command line from the current folder. A name (of a starter, of
    a shipped template) is no path and stays.
    """
    def start(path: Steps) -> Path:
        return Path.cwd() if document.place(path).startswith(COMMAND_LINE) else folder

    data = recipe.data
    sides = {"train": data.train, "validation": data.validation, "test": data.test}
    files = {side: tuple(data_file(name, start(("data", side))) for name in names)
             for side, names in sides.items() if isinstance(names, tuple)}
    template = data.template
    if template is not None and ("/" in template or template.endswith(TEMPLATES)):
        template = absolute(template, start(("data", "template")))
    tools = absolute(data.tools, start(("data", "tools"))) if data.tools is not None else None
    remembered = absolute(data.sides, start(("data", "sides"))) if data.sides is not None else None
    texts = recipe.base.vocabulary.texts
    from_here = tuple(data_file(name, start(("base", "vocabulary", "texts"))) for name in texts or ())
    vocabulary = recipe.base.vocabulary.model_copy(update={"texts": from_here or None})
    mix = {name: _located(rows, start(("data", "mix", name, "files"))) for name, rows in data.mix.items()}
    also = {name: _located(rows, start(("evaluation", "also", name, "files")))
            for name, rows in recipe.evaluation.also.items()}
    format = _with_files(data.format, start(("data", "format")))
    augment = tuple(_with_models(_with_files(way, start(("data", "augment"))), start(("data", "augment")))
                    for way in data.augment)
    audit = tuple(_with_files(check, start(("data", "audit"))) for check in data.audit)
    return recipe.model_copy(update={
        "base": recipe.base.model_copy(update={
            "name": base(recipe.base.name, start(("base", "name"))), "vocabulary": vocabulary}),
        "data": data.model_copy(update={**files, "template": template, "tools": tools, "mix": mix,
                                        "format": format, "augment": augment, "audit": audit,
                                        "sides": remembered}),
        "evaluation": recipe.evaluation.model_copy(update={"also": also}),
    })


def _located(rows: SomeRows, folder: Path) -> SomeRows:
    return rows.model_copy(update={"files": tuple(data_file(name, folder) for name in rows.files),
                                   "format": _with_files(rows.format, folder)})


def _with_files(section: MaybeSection, folder: Path) -> MaybeSection:
    """The section with absolute paths in the options that name files."""
    if section is None:
        return section
    found = located.moved(section.settings, partial(absolute, folder=folder))
    return replace(section, settings=section.settings.model_copy(update=found)) if found else section


def _with_models(section: Section, folder: Path) -> Section:
    """The section with absolute paths in the options that name models."""
    found = {name: base(model, folder) for name, model in located.models(section.settings)}
    return replace(section, settings=section.settings.model_copy(update=found)) if found else section


def absolute(name: str, folder: Path) -> str:
    """`name` counted from `folder`, `~` and `..` written out; globs and links stay as they are."""
    # not pathlib's: `resolve` would follow links, and `expanduser` raises for a user who is not there
    return os.path.abspath(folder / os.path.expanduser(name))  # noqa: PTH100, PTH111


def data_file(name: str, folder: Path) -> str:
    """A file, folder or glob as an absolute path; a name that is none and may be the Hub's stays as it is."""
    place = absolute(name, folder)
    if name.startswith(URL) or (parse(name) is not None and not os.path.lexists(place)):
        return name
    return place


def base(name: str, folder: Path) -> str:
    """A base that is a folder or a file here, as an absolute path; any other name as it is.

    An earlier run is mostly named from the current folder (`runs/orders`), so that is looked at too.
    """
    if "/" not in name and not name.endswith(".gguf") and name not in (".", ".."):
        return name
    places = [absolute(name, folder), absolute(name, Path.cwd())]
    # not pathlib's: it raises for a name that is too long
    return next((place for place in places if os.path.exists(place)), name)  # noqa: PTH110
