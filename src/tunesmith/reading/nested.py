"""Rows from a whole file of SQuAD's form: one for each question, with the line on which its object begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..records import Finding, Row
from . import json_lines
from .lines import Line, flaw, wrong_characters

Element = Callable[[int], int]


def is_nested(start: str) -> bool:
    """Whether the beginning of a file is that of SQuAD's: an object whose `data` have `paragraphs`."""
    return start.lstrip().startswith("{") and '"data"' in start and '"paragraphs"' in start


def from_squad(written: str, opened: Callable[[], Iterator[Line | Finding]]) -> Iterator[Row | Finding]:
    """One row a question: `question`, `answers`, … as they stand, and the paragraph's `context`.

    The whole file is held in memory.
    """
    text, findings = json_lines.whole(written, opened())
    yield from findings
    if not text.strip():
        return
    flaws: json_lines.Flaws = []
    reader = _Reader(written, text, flaws, json_lines.decoder(flaws), [])
    try:
        reader.members(reader.past_space(0), {"data": reader.articles})
    except json.JSONDecodeError as error:
        yield from reader.rows
        yield Finding("error", "data.json", f"broken JSON: {error.msg.removesuffix(' at')} (column {error.colno}); what"
                      " follows is not read", f"{written}:{error.lineno}", "mend the file, or fetch it again")
        return
    except RecursionError:
        yield Finding("error", "data.too_deep", "the file nests too many arrays or objects", f"{written}:1",
                      "flatten it")
        return
    yield from reader.rows


@dataclass(slots=True)
class _Reader:
    """Walks the text down to the questions, so that their places are known; all other values are read at once."""

    written: str
    text: str
    flaws: json_lines.Flaws
    decoder: json.JSONDecoder
    rows: list[Row | Finding]
    line: int = 1
    counted: int = 0

    def articles(self, at: int) -> int:
        return self.elements(at, lambda one: self.members(one, {"paragraphs": self.paragraphs})[1])

    def paragraphs(self, at: int) -> int:
        return self.elements(at, self.paragraph)

    def paragraph(self, at: int) -> int:
        """A context and its questions, in whichever order they stand."""
        found: list[tuple[int, int, Any, json_lines.Flaws]] = []
        begins = self.where(at)

        def question(one: int) -> int:
            self.flaws.clear()
            value, end = self.decoder.raw_decode(self.text, one)
            found.append((one, end, value, list(self.flaws)))
            return end

        values, end = self.members(at, {"qas": lambda list_at: self.elements(list_at, question)})
        context = values.get("context")
        wrong = flaw(context, begins) if isinstance(context, str) else Finding(
            "error", "data.missing_field", "the paragraph has no `context`", begins,
            "add the text that its questions are about")
        self.rows += [wrong] if wrong else [
            _row(self.where(start), self.text[start:stop], value, str(context), flaws)
            for start, stop, value, flaws in found]
        return end

    def members(self, at: int, into: dict[str, Element]) -> tuple[dict[str, Any], int]:
        """The values of an object, but those that are walked into, and where it ends."""
        values: dict[str, Any] = {}
        at = self.past_space(self.expect("{", at))
        while self.text[at:at + 1] != "}":
            name, at = self.decoder.raw_decode(self.text, at)
            at = self.past_space(self.expect(":", self.past_space(at)))
            if name in into:
                at = into[name](at)
            else:
                values[str(name)], at = self.decoder.raw_decode(self.text, at)
            at = self.after(at, "}")
        return values, at + 1

    def elements(self, at: int, each: Element) -> int:
        """Where an array ends, each element walked through."""
        at = self.past_space(self.expect("[", at))
        while self.text[at:at + 1] != "]":
            at = self.after(each(at), "]")
        return at + 1

    def after(self, at: int, closing: str) -> int:
        """The next member or element, or the closing sign."""
        at = self.past_space(at)
        return at if self.text[at:at + 1] == closing else self.past_space(self.expect(",", at))

    def expect(self, sign: str, at: int) -> int:
        if self.text[at:at + 1] != sign:
            raise json.JSONDecodeError(f"expecting `{sign}`", self.text, at)
        return at + 1

    def past_space(self, at: int) -> int:
        return json_lines.past_space(self.text, at)

    def where(self, at: int) -> str:
        """The line of a place, which is never before one that was asked for."""
        if at < self.counted:
            return f"{self.written}:{1 + self.text.count(chr(10), 0, at)}"
        self.line, self.counted = self.line + self.text.count("\n", self.counted, at), at
        return f"{self.written}:{self.line}"


def _row(where: str, text: str, value: Any, context: str, flaws: json_lines.Flaws) -> Row | Finding:
    """The row of one question, unless something about it cannot be right."""
    if not isinstance(value, dict):
        return Finding("error", "data.not_object", "a question is not an object with named fields", where,
                       'write it as {"question": "…", "id": "…", "answers": […]}')
    if flaws:
        kind, what, remedy = flaws[0]
        return Finding("error", kind, what, where, remedy)
    row = Row({**value, "context": context}, where)
    return flaw(text, where) or wrong_characters(json_lines.every_text(row.values), where) or row
