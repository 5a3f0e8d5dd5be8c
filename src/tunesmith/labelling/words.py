"""Entities among numbered words: `2-3 PER` makes one, `4 -` takes one away, `-` all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..data.schemes import NONE as PLAIN
from ..data.schemes import OUTSIDE, Entity, entities, mended, spelt
from ..records import Example, Tagged
from .answers import NONE, Unclear, chosen
from .items import Item

_EDIT: Final = re.compile(r"(\d+)(?:\s*-\s*(\d+))?\s+(\S.*)")


@dataclass(frozen=True)
class Words:
    """Words with tags that spell entities of some types by a scheme; of plain tags each word has one of them."""

    types: tuple[str, ...]
    scheme: str
    format: str = "conll"

    @property
    def keys(self) -> str:
        """What may be typed, by example."""
        if self.scheme == PLAIN:
            return f"`3 {self.types[0]}` to tag word 3, `2-4 {self.types[0]}` for several; then Enter"
        return (f"`2-3 {self.types[0]}` for words 2 to 3, `4 {self.types[0]}` for one, `4 {NONE}` to take one away, "
                f"`{NONE}` for none at all, `;` between several; then Enter")

    def choices(self, item: Item) -> list[str]:
        """The words with their numbers, and the types."""
        numbered = " ".join(f"{number} {word} " for number, word in enumerate(_tagged(item.example).words, 1))
        return [f"words: {numbered.rstrip()}", f"types: {', '.join(self.types)}"]

    def every(self) -> list[str]:
        """Every type, one a line."""
        return list(self.types)

    def told(self, answer: Any, item: Item) -> str:
        """The sentence with its entities in brackets, the type behind each."""
        words = _tagged(item.example).words
        if self.scheme == PLAIN:
            return " ".join(f"{word}/{tag}" for word, tag in zip(words, answer, strict=True))
        opens = {one.first: one for one in entities(answer, self.scheme)}
        told, place = [], 0
        while place < len(words):
            one = opens.get(place, Entity("", place, place + 1))
            text = " ".join(words[place : one.end])
            told.append(f"[{text}]{one.type}" if one.type else text)
            place = one.end
        return " ".join(told)

    def read(self, words: str, item: Item, working: Any) -> tuple[Any, bool]:
        """The tags after what was typed; never the last word, which is Enter."""
        count = len(_tagged(item.example).words)
        tags = list(working) if working is not None else [OUTSIDE if self.scheme != PLAIN else self.types[0]] * count
        if words == NONE and self.scheme != PLAIN:
            return [OUTSIDE] * count, False
        for edit in filter(None, re.split(r"\s*;\s*", words)):
            tags = self._edited(edit, tags)
        return tags, False

    def _edited(self, edit: str, tags: list[str]) -> list[str]:
        found = _EDIT.fullmatch(edit)
        if found is None:
            raise Unclear(f"`{edit}` is no change; type {self.keys}")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= len(tags):
            raise Unclear(f"there are words 1 to {len(tags)}, and `{edit}` names others")
        if self.scheme == PLAIN:
            return tags[: first - 1] + [chosen(found[3], self.types)] * (last - first + 1) + tags[last:]
        kept = [one for one in entities(tags, self.scheme) if one.end < first or one.first >= last]
        if found[3] not in (NONE, OUTSIDE):
            kept.append(Entity(chosen(found[3], self.types), first - 1, last))
        return spelt(sorted(kept, key=lambda one: one.first), len(tags), self.scheme)

    def columns(self, example: Example, answer: Any) -> Mapping[str, Any]:
        """Words and tags."""
        return {"tokens": list(_tagged(example).words), "tags": mended(answer, self.scheme)}


def _tagged(example: Example) -> Tagged:
    assert isinstance(example, Tagged)
    return example


