"""A section that names a file of an open folder, validated with that file's `Settings`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from .. import catalog
from ..errors import Misuse


@dataclass(frozen=True)
class Section:
    """`type` as the recipe names it, `settings` checked by the file's own `Settings`, and the file's `module`."""

    type: str
    settings: Any
    module: ModuleType

    def as_json(self) -> dict[str, Any]:
        """The section as it stands in YAML, every option written out."""
        return {"type": self.type, **self.settings.model_dump(mode="json")}


@dataclass(frozen=True)
class Choice:
    """Makes a field a choice among the files of one open folder; `default` is the type where none is given.

    within: whether it stands among the options of such a file, so that a schema names the choices and not theirs again.
    """

    kind: str
    default: str | None = None
    within: bool = False

    def validate(self, value: object) -> Section:
        """The section of a name, or of a mapping with `type` and the options of that type."""
        if isinstance(value, Section):
            return value
        options: dict[str, Any] = {"type": value} if isinstance(value, str) else {}
        if isinstance(value, Mapping):
            options = dict(value)
        elif not isinstance(value, str):
            raise PydanticCustomError("must", "{must}", {
                "must": f"the name of one {self.kind}, or `{{type: NAME, …}}`"})
        name = options.pop("type", self.default)
        if name is None:
            known = ", ".join(catalog.names(self.kind))
            raise problem(f"{self.kind}.unnamed", f"no {self.kind} is named", f"add `type:`, one of: {known}")
        module = named(self.kind, name)
        settings = settings_of(self.kind, name, module)
        checked = settings.model_validate_json(json.dumps(options), strict=True, extra="forbid")
        return Section(name, checked, module)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validation and writing; pydantic's own hook."""
        writer = core_schema.plain_serializer_function_ser_schema(Section.as_json)
        return core_schema.no_info_plain_validator_function(self.validate, serialization=writer)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Every file of the folder with its options; imports them all, so only `schema` and `explain` ask for it."""
        choices = catalog.names(self.kind)
        outsider = {"type": "string", "pattern": r"^\w+(\.\w+)+$"}
        forms: list[dict[str, Any]] = [{"enum": list(choices)}, outsider]
        forms += [{"type": "object", "properties": {"type": {"enum": list(choices)}}, "required": ["type"]}] \
            if self.within else [self._form(name) for name in choices]
        forms.append({"type": "object", "properties": {"type": outsider}, "required": ["type"]})
        return {"anyOf": forms}

    def _form(self, name: str) -> dict[str, Any]:
        form = settings_of(self.kind, name, catalog.load(self.kind, name)).model_json_schema()
        form["properties"] = {"type": {"const": name}, **form.get("properties", {})}
        form["required"] = [*form.get("required", []), *([] if name == self.default else ["type"])]
        form["additionalProperties"] = False
        return form


def problem(kind: str, what: str, remedy: str) -> PydanticCustomError:
    """A mistake in pydantic's own terms: any other exception would hide the mistakes beside it."""
    return PydanticCustomError("choice", "{what}", {"kind": kind, "what": what, "remedy": remedy})


def named(kind: str, name: object) -> ModuleType:
    """The module of a choice; a mistake that pydantic can collect where there is none."""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise problem(f"{kind}.unknown", f"`{name}` is no name of a {kind}",
                      f"use one of: {', '.join(catalog.names(kind))}")
    try:
        return catalog.load(kind, name)
    except Misuse as error:
        raise problem(error.kind, error.what, error.remedy) from error


def settings_of(kind: str, name: str, module: ModuleType) -> type[BaseModel]:
    """The `Settings` that every starred file promises."""
    settings = vars(module).get("Settings")
    if not isinstance(settings, type) or not issubclass(settings, BaseModel):
        raise problem(f"{kind}.unknown", f"`{name}` has no pydantic model `Settings`, so it is no {kind}",
                      f"write `Settings` in `{name}`, even if it is empty")
    return settings


def default(kind: str, name: str) -> Section:
    """The section that stands where the recipe says nothing."""
    return Choice(kind).validate({"type": name})
