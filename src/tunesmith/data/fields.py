"""Reading a row's fields for the formats, and the refusals that say what is wrong with one."""

from __future__ import annotations

from typing import Any

from ..catalog import nearest
from ..errors import Refusal
from ..reading.quoting import listed, quoted
from ..records import Row


def text(row: Row, name: str, *, may_be_empty: bool = False) -> str:
    """The text under `name`; where it may be empty, a missing one and null are "".

    Raises Refusal where it is missing, no text, or only white space.
    """
    value = row.values.get(name)
    if value is None:
        if may_be_empty:
            return ""
        raise missing(row, name)
    if not isinstance(value, str):
        raise wrong_type(row, name, value, "a text")
    if not may_be_empty and not value.strip():
        raise Refusal("data.empty_field", f"`{name}` is empty", row.where, f"fill in `{name}`, or take the row out")
    return value


def missing(row: Row, name: str) -> Refusal:
    """The refusal for a field that the row lacks; it names the columns that the row has."""
    if name in row.values:
        return Refusal("data.missing_field", f"`{name}` is null", row.where, f"fill in `{name}`, or take the row out")
    seen = listed(row.values) or "none"
    near = nearest(name, [column.casefold() for column in row.values])
    meant = [quoted(column) for column in row.values if column.casefold() == near]
    add = f"rename {meant[0]} to `{name}`" if meant else f"add `{name}` to the row"
    return Refusal("data.missing_field", f"the row has no `{name}`; its columns are: {seen}", row.where,
                   f"{add}, or say in `data.columns` which column it is")


def wrong_type(row: Row, name: str, value: Any, wanted: str) -> Refusal:
    """The refusal for a value of another type than the format takes."""
    names = {bool: "true or false", list: "an array", dict: "an object", type(None): "null", str: "a text"}
    found = names.get(type(value), "a number")
    return Refusal("data.wrong_type", f"`{name}` is {found}, not {wanted}", row.where, f"write `{name}` as {wanted}")


def normalised(words: str) -> str:
    """The text with every run of white space as one space: texts that differ only there are of one group."""
    return " ".join(words.split())


def elsewhere(context: str, words: str) -> str:
    """Where an answer stands in its context, as the end of a sentence."""
    count = context.count(words)
    if count == 1:
        return f": it stands at character {context.find(words)}"
    return f": it stands there {count} times" if count else ", and nowhere else in it"
