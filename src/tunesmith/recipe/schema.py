"""The JSON schema of a recipe, for editors, forms and messages: made from the sections, written nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, create_model

from .sections import Recipe


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a recipe file, with the options of every file of every open folder."""
    found = Recipe.model_json_schema()
    definitions = found.setdefault("$defs", {})
    _hoist(found, definitions)
    base = found["properties"]["base"]
    found["properties"]["base"] = {"description": base.get("description", ""),
                                   "anyOf": [{"type": "string"}, {"$ref": "#/$defs/Base"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tunesmith recipe", **found}


def field_schema(owner: type[BaseModel], name: str) -> dict[str, Any]:
    """The JSON schema of one field, made without its neighbours, which may import much."""
    info = owner.model_fields[name]
    alone = create_model("Alone", **{name: (info.annotation, info)})  # type: ignore[call-overload]
    found: dict[str, Any] = alone.model_json_schema()["properties"][name]
    return found


def describe(field: Mapping[str, Any]) -> str:
    """A JSON schema in words: "a whole number from 1 to 8", "`a` or `b`"."""
    if "anyOf" in field:
        return _either([describe(form) for form in field["anyOf"]])
    if "enum" in field:
        return _either([f"`{value}`" for value in field["enum"]])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type")
    if kind in ("number", "integer"):
        return f"{'a number' if kind == 'number' else 'a whole number'}{_range(field)}"
    if kind == "array":
        items = field.get("prefixItems") or ([field["items"]] if "items" in field else [])
        return "a list of " + ", ".join(describe(item).removeprefix("a ") for item in items)
    if kind == "string":
        most = f" of at most {field['maxLength']} characters" if "maxLength" in field else ""
        least = " that is not empty" if field.get("minLength") == 1 else ""
        like = f" like `{field['examples'][0]}`" if "examples" in field else ""
        return f"text{most}{least}{like}"
    return {"boolean": "true or false", "null": "null", "object": "a mapping of names to values"}.get(
        str(kind), "a section: a mapping of options")


def words(field: Mapping[str, Any]) -> list[str]:
    """The texts that a field can be, where it is one of a few."""
    found = [word for form in field.get("anyOf", []) for word in words(form)]
    return found + [str(value) for value in [*field.get("enum", []), *([field["const"]] if "const" in field else [])]]


def _either(forms: list[str]) -> str:
    forms = list(dict.fromkeys(forms))
    return " or ".join(filter(None, [", ".join(forms[:-1]), forms[-1]]))


def _range(field: Mapping[str, Any]) -> str:
    parts = []
    if "minimum" in field and "maximum" in field:
        return f" from {_number(field['minimum'])} to {_number(field['maximum'])}"
    for word, text in (("minimum", "at least"), ("exclusiveMinimum", "above"),
                       ("maximum", "at most"), ("exclusiveMaximum", "below")):
        if word in field:
            parts.append(f"{text} {_number(field[word])}")
    return f" {' and '.join(parts)}" if parts else ""


def _number(value: float) -> str:
    whole = isinstance(value, int) or value.is_integer()
    return f"{int(value):,}" if whole else f"{value:g}"


def _hoist(node: Any, definitions: dict[str, Any]) -> None:
    """Move definitions that an open folder's `Settings` brought along to the top, where references look for them."""
    if isinstance(node, list):
        for item in node:
            _hoist(item, definitions)
    if isinstance(node, dict):
        if node.get("$defs") is not definitions:
            definitions.update(node.pop("$defs", {}))
        for item in list(node.values()):
            _hoist(item, definitions)


