"""What is odd about examples and only many of them show: tags that are slips, labels that are none, dirt in texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..catalog import nearest
from ..records import Example, Finding, Labelled, Tagged
from .numbers import is_number
from .quoting import quoted
from .texts import texts

SHOWN = 8
_ENOUGH = 20
_RARE = 100  # a type that stands so many times less often than one with nearly its name is a slip
_TAG = re.compile(r"O|[BIESLUM]-\S+")
_BYTES = re.compile(r"""\s*b(['"]).*\1\s*""", re.DOTALL)
_MARKUP = re.compile(r"</?(?:br|p|div|span|a|b|i|u|em|strong|ul|ol|li|td|tr|table|h[1-6]|img)(?:\s[^<>]*)?/?>", re.I)


@dataclass(slots=True)
class Odd:
    """Counts, and where each thing stands first."""

    rows: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    dirt: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, example: Example) -> None:
        """Count what an example has."""
        self.rows += 1
        if isinstance(example, Tagged):
            self.tags.update(example.tags or ())
            for tag in set(example.tags or ()):
                self.first.setdefault(f"tag {tag}", example.where)
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
        slips = slipped(self.tags)
        if slips:
            shown = ", ".join(f"{quoted(tag)} ({self.tags[tag]}, first at {self.first[f'tag {tag}']})"
                              for tag in slips[:SHOWN])
            more = f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
            yield Finding("warning", "data.tags", f"tags that look like slips: {shown}{more}",
                          self.first[f"tag {slips[0]}"], "correct them in the file, if they are")
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


def slipped(tags: Counter[str]) -> list[str]:
    """The tags that others make unlikely: of another form than nearly all, or rare and spelt nearly as a common one."""
    total = sum(tags.values())
    formed = Counter({tag: count for tag, count in tags.items() if _TAG.fullmatch(tag)})
    if sum(formed.values()) < 0.95 * total:  # no scheme of entities: parts of speech, or the like
        return []
    types: Counter[str] = Counter()
    for tag, count in formed.items():
        if tag != "O":
            types[tag[2:]] += count
    rare = {name for name, count in types.items() if _is_slip(name, count, types)}
    return [tag for tag in tags if tag not in formed or tag[2:] in rare]


def _is_slip(name: str, count: int, types: Counter[str]) -> bool:
    common = [other for other, many in types.items() if many >= count * _RARE]
    return nearest(name, common) is not None
