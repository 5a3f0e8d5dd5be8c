"""A text with the entities in it marked: found, missed, and found where none is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .markup import Markup, join, tag

SAID: Final = {"right": "", "missed": "missed", "wrong": "not there", "type": "wrong type"}
Span = tuple[int, int, str]


def marked(text: str, expected: Mapping[str, Any], said: Mapping[str, Any]) -> Markup | None:
    """The text with what was expected and what was said; None where neither has entities."""
    if "entities" not in expected or "entities" not in said:
        return None
    wanted, found = _spans(expected["entities"]), _spans(said["entities"])
    if not wanted and not found:
        return None
    parts: list[Markup] = []
    reached = 0
    for start, end, name, kind in _judged(wanted, found):
        if start < reached or end > len(text):
            continue  # of spans that overlap the first is drawn
        parts += [join(text[reached:start]),
                  tag(f"mark.{kind}", text[start:end], tag("sub", " ".join(filter(None, (name, SAID[kind])))))]
        reached = end
    return join(*parts, text[reached:])


def _spans(entities: Sequence[Mapping[str, Any]]) -> list[Span]:
    return [(int(one["start"]), int(one["end"]), str(one["type"])) for one in entities]


def _judged(wanted: Sequence[Span], found: Sequence[Span]) -> list[tuple[int, int, str, str]]:
    """Every span with what became of it, in the text's order; one found by another type is told by both."""
    right = set(wanted) & set(found)
    places = {(start, end): name for start, end, name in wanted}
    judged = [(*span, "right") for span in right]
    for start, end, name in sorted(set(found) - right):
        other = places.get((start, end))
        judged.append((start, end, f"{name}, not {other}" if other else name, "type" if other else "wrong"))
    told = {(start, end) for start, end, _, kind in judged if kind == "type"}
    judged += [(*span, "missed") for span in set(wanted) - right if span[:2] not in told]
    return sorted(judged)
