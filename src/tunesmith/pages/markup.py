"""HTML from plain functions. Text is escaped unless it is `Markup`: what comes from data cannot become a tag."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from ..visible import visible

VOID: Final = frozenset({"br", "col", "hr", "input", "link", "meta", "wbr"})
NAMELESS: Final = re.compile(r"[\ufffe\uffff\U0001fffe\U0001ffff]")  # what HTML's parser complains of, beside controls


class Markup(str):
    """A piece of HTML that was made here; it is put into other HTML as it stands."""

    __slots__ = ()


Child = str | Iterable[str] | None


def tag(name: str, *children: Child, at: Mapping[str, str | bool | None] | None = None) -> Markup:
    """An element: `tag("td.number", "1.5", at={"colspan": "2"})`; children that are no Markup are escaped.

    name: the element and its classes, joined by dots; at: its attributes, of which True stands alone and None or False
    is left out.
    """
    element, *classes = name.split(".")
    given: dict[str, str | bool | None] = {"class": " ".join(classes) or None, **(at or {})}
    written = "".join(f" {key}" if value is True else f' {key}="{_quoted(value)}"'
                      for key, value in given.items() if value is not None and value is not False)
    if element in VOID:
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: Child) -> Markup:
    """Children one after another: Markup as it stands, other text escaped, None as nothing."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            parts.append(child if isinstance(child, Markup) else text(child))
        else:
            parts += (each if isinstance(each, Markup) else text(each) for each in child)
    return Markup("".join(parts))


def text(value: str) -> Markup:
    """Text as text: what is special in HTML escaped, control characters and lone surrogates spelt out."""
    return Markup(escape(NAMELESS.sub("\ufffd", visible(value)), quote=True))


def prose(value: str) -> Markup:
    """A sentence of ours, with what stands in `backticks` set as code."""
    parts = re.split(r"`([^`\n]+)`", value)
    return join(*(tag("code", part) if place % 2 else part for place, part in enumerate(parts)))


def data(identifier: str, value: Any) -> Markup:
    """Numbers and names for a script of the page, which reads them as JSON; no text in it can end the element."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(f'<script type="application/json" id="{_quoted(identifier)}">{written}</script>')


def _quoted(value: str | bool) -> str:
    return text(str(value))
