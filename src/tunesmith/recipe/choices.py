"""A file of an open folder that a command names, with its options as `key=value`: as in a recipe, without one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from .. import catalog
from ..errors import Misuse, Problem, raise_all
from .lines import read_yaml
from .mistakes import shown
from .schema import describe, field_schema
from .starred import Section, settings_of


def section(kind: str, name: str, options: Sequence[str] = ()) -> Section:
    """The choice and its settings. Raises Misuse, or Problems with every mistake, where there is no such choice."""
    module = catalog.load(kind, name, f"command line: `{name}`")
    try:
        settings = settings_of(kind, name, module)
    except PydanticCustomError as error:
        context = error.context or {}
        raise Misuse(context["kind"], context["what"], f"command line: `{name}`", context["remedy"]) from error
    values, problems = _read(options, settings)
    raise_all(problems)
    try:
        return Section(name, settings.model_validate_json(json.dumps(values), strict=True), module)
    except ValidationError as error:
        raise_all([_wrong(found["loc"], values, settings, options) for found in error.errors()])
        raise


def _read(options: Sequence[str], settings: type[BaseModel]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for text in options:
        where = f"command line: `{text}`"
        key, equals, value = text.partition("=")
        if not equals:
            problems.append(Misuse("command.option", f"`{text}` is no option", where, f"write {_known(settings)}"))
        elif key not in settings.model_fields:
            near = catalog.nearest(key, settings.model_fields)
            problems.append(Misuse("command.option", f"there is no option `{key}`", where,
                                   f"use `{near}`" if near else f"write {_known(settings)}"))
        else:
            values[key] = read_yaml(value, lambda line, place=where: place).values  # type: ignore[misc]
    return values, problems


def _known(settings: type[BaseModel]) -> str:
    return " or ".join(f"`{name}=…`" for name in settings.model_fields) or "no option: it has none"


def _wrong(
    location: tuple[str | int, ...], values: dict[str, Any], settings: type[BaseModel], options: Sequence[str]
) -> Misuse:
    name = str(location[0])
    where = next((f"command line: `{text}`" for text in options if text.startswith(f"{name}=")), "")
    must = describe(field_schema(settings, name))
    return Misuse("command.option", f"`{name}` must be {must}; {shown(values.get(name), must)}", where,
                  (settings.model_fields[name].description or "").split("\n\n")[0])
