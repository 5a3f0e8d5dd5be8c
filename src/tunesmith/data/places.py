"""Places of texts in a row, such as `("messages", 0, "content")`: found, read, and written anew."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..contracts import Place
from .turns import column_of


def leaves(fields: Mapping[str, Any], columns: Iterable[str]) -> Iterator[Place]:
    """Where texts stand in these columns: the column itself, or each text of a list or of an object in it."""
    for name in columns:
        yield from _below((name,), fields.get(name))


def _below(place: Place, value: Any) -> Iterator[Place]:
    if isinstance(value, str):
        yield place
    elif isinstance(value, list | Mapping):
        for key, one in enumerate(value) if isinstance(value, list) else value.items():
            yield from _below((*place, key), one)


def turns(fields: Mapping[str, Any], speaker: str, roles: Container[str]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The turns of these roles, and where they stand; `speaker` is the name under which a turn has its role."""
    column = column_of(fields)
    every = fields.get(column)
    for number, turn in enumerate(every if isinstance(every, list) else ()):
        if isinstance(turn, Mapping) and isinstance(turn.get(speaker), str) and turn[speaker] in roles:
            yield (column, number), turn


def at(fields: Mapping[str, Any], place: Place) -> Any:
    """What stands at a place."""
    value: Any = fields
    for step in place:
        value = value[step]
    return value


def written(fields: Mapping[str, Any], places: Sequence[Place], texts: Sequence[str]) -> dict[str, Any]:
    """The row with these texts at these places; whatever holds none of them is the same object as before."""
    made, copied = dict(fields), set[Place]()
    for place, text in zip(places, texts, strict=True):
        above: Any = made
        for depth, step in enumerate(place[:-1], 1):
            if place[:depth] not in copied:
                above[step] = above[step].copy() if isinstance(above[step], list) else dict(above[step])
                copied.add(place[:depth])
            above = above[step]
        above[place[-1]] = text
    return made
