"""A recipe as YAML with every option written out; reading it gives the same recipe."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from .lines import Steps, spell
from .mistakes import summary
from .options import Option, every
from .sections import Recipe


def values(recipe: Recipe) -> dict[str, Any]:
    """The recipe as mappings, lists, text and numbers, every option written out."""
    return recipe.model_dump(mode="json")


def dump(recipe: Recipe) -> str:
    """YAML with each option below the first sentence of its documentation."""
    return text(values(recipe))


def text(written: Mapping[str, Any]) -> str:
    """The same of what `values` gave, where something of it was changed."""
    return "\n".join(_lines(written, (), every(written))).lstrip("\n") + "\n"


def leaves(recipe: Recipe) -> dict[str, Any]:
    """Each option that is no section, and the `type` of each section that has one, with its value."""
    written = values(recipe)
    found: dict[str, Any] = {}
    for path, option in every(written).items():
        value: Any = written
        for step in path:
            value = value[step]
        if option.inner is None:
            found[spell(path)] = value
        elif option.choice is not None:
            found[spell((*path, "type"))] = value["type"]
    return found


def _lines(section: Mapping[str, Any], path: Steps, known: Mapping[Steps, Option]) -> Iterator[str]:
    indent = "  " * len(path)
    for name, value in section.items():
        here = (*path, name)
        option = known.get(here)  # `type` is no option of its own
        if not path:
            yield ""
        is_section = option is not None and option.inner is not None and isinstance(value, Mapping) and bool(value)
        if option is not None and not (path and is_section):
            yield from textwrap.wrap(summary(option), 116, initial_indent=f"{indent}# ",
                                     subsequent_indent=f"{indent}# ", break_long_words=False, break_on_hyphens=False)
        if is_section:
            yield f"{indent}{name}:"
            yield from _lines(value, here, known)
        else:
            text = _yaml({name: value}) if value is not None else f"{name}: null"
            yield indent + text.replace("\n", f"\n{indent}")  # `textwrap.indent` splits at more than line feeds


def _yaml(value: Mapping[str, Any]) -> str:
    writer = YAML(typ="rt", pure=True)
    writer.width = 10**6
    writer.allow_unicode = True
    text = io.StringIO()
    writer.dump(_quoted(value), text)
    return text.getvalue().removesuffix("\n")


def _quoted(value: Any) -> Any:
    """Text with invisible characters in double quotes, where they are escaped: ruamel's other forms lose some."""
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not value.isprintable() else value
