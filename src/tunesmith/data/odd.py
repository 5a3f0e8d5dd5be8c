"""What is odd about examples and only many of them show: labels that are none, dirt in texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..reading.numbers import is_number
from ..records import Example, Finding, Labelled
from .texts import texts

_ENOUGH = 20
_BYTES = re.compile(r"""\s*b(['"]).*\1\s*""", re.DOTALL)
_MARKUP = re.compile(r"</?(?:br|p|div|span|a|b|i|u|em|strong|ul|ol|li|td|tr|table|h[1-6]|img)(?:\s[^<>]*)?/?>", re.I)


@dataclass(slots=True)
class Odd:
    """Counts, and where each thing stands first."""

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    dirt: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, example: Example) -> None:
        """Count what an example has."""
        self.rows += 1
        if isinstance(example, Labelled):
            self.labels.update(example.labels or ())
            self.first.setdefault("label", example.where)
            if any(_MARKUP.search(text) for text in texts(example)):
                self._dirty("markup", example.where)
        if any(_BYTES.fullmatch(text) for text in texts(example)):
            self._dirty("bytes", example.where)

    def _dirty(self, kind: str, where: str) -> None:
        self.dirt[kind] += 1
        self.first.setdefault(kind, where)

    def told(self) -> Iterator[Finding]:
        """A warning for each kind of thing that is odd."""
        if len(self.labels) * 2 > self.rows >= _ENOUGH and not all(map(is_number, self.labels)):
            yield Finding("warning", "data.many_labels", f"{self.rows} rows have {len(self.labels)} different labels, "
                          "and a class is learnt from many rows", self.first["label"],
                          "name the column of the label in `data.columns`, or another format in `data.format`")
        if self.dirt["bytes"]:
            yield Finding("warning", "data.bytes", f"{self.dirt['bytes']} of {self.rows} rows have a text that is "
                          "written as a Python bytes literal, `b'…'`, with its escapes", self.first["bytes"],
                          "write the files anew with the texts decoded, or the model learns the escapes")
        if self.dirt["markup"]:
            yield Finding("warning", "data.markup", f"{self.dirt['markup']} of {self.rows} rows have HTML tags in "
                          "their text", self.first["markup"], "take the markup out, unless the model will be given it")
