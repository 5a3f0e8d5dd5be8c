"""Rows from column files: a word a line with its tags beside it, and a line of white space after each sentence.

Also from two files that are aligned: words on the lines of one, as many tags on those of the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from ..records import Finding, Row
from .lines import ROW_BYTES, Line, flaw, too_large

Lines = Iterable[Line | Finding]
_LOOKED_AT = 200
_SPACES = re.compile(r"[ \t]+")
_TAG = re.compile(r"[OoBIESLUM]|[BIESLUM]-.+")
_MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the cells of a line are parted, and how many most lines have."""

    tabs: bool
    width: int

    def cells(self, text: str) -> list[str]:
        return text.split("\t") if self.tabs else _SPACES.split(text.strip(" \t"))

    def is_comment(self, text: str) -> bool:
        return text.startswith("# ") and len(self.cells(text)) != self.width


@dataclass(slots=True)
class _Sentence:
    """The lines of a sentence so far; `broken` once one of them was told as wrong."""

    first: int = 0
    size: int = 0
    broken: bool = False
    cells: list[list[str]] = field(default_factory=list)

    def row(self, written: str) -> Row | Finding:
        where = f"{written}:{self.first}"
        if self.size > ROW_BYTES:
            return too_large(where)
        columns = zip(*self.cells, strict=True)
        return Row({f"column {number}": list(column) for number, column in enumerate(columns, 1)}, where)


def from_blocks(written: str, lines: Lines) -> Iterator[Row | Finding]:
    """One row a sentence, its columns as lists under `column 1`, `column 2`, …; its line is that of its first word."""
    source = iter(lines)
    held = list(islice(source, _LOOKED_AT))  # not opened twice: it may be a pipe
    shape = _shape([line.text for line in held if isinstance(line, Line)])
    sentence = _Sentence()
    for line in chain(held, source):
        if isinstance(line, Finding):
            yield line
        elif not line.text.strip():
            if sentence.cells and not sentence.broken:
                yield sentence.row(written)
            sentence = _Sentence()
        elif not shape.is_comment(line.text):
            found = _add(sentence, line, shape, f"{written}:{line.number}")
            if found:
                yield found
    if sentence.cells and not sentence.broken:
        yield sentence.row(written)


def _add(sentence: _Sentence, line: Line, shape: _Shape, where: str) -> Finding | None:
    """Put a line into the sentence; the finding for one that cannot be put there."""
    cells = shape.cells(line.text)
    if cells[0] == "-DOCSTART-":
        return None
    sentence.first = sentence.first or line.number
    sentence.size += len(line.text)
    found = flaw(line.text, where)
    if found is None and len(cells) != shape.width:
        found = Finding("error", "data.cells", f"the line has {len(cells)} column(s), most others {shape.width}: its "
                        "sentence is not read", where, "give every word its tag, and part the columns as elsewhere")
    if found:
        sentence.broken = True
    elif sentence.size <= ROW_BYTES or not sentence.cells:
        sentence.cells.append(cells)
    return found


def _shape(texts: Iterable[str]) -> _Shape:
    """The shape that most lines have."""
    content = [text for text in texts if text.strip() and not text.startswith("-DOCSTART-")]
    tabs = sum("\t" in text for text in content) * 2 > len(content)
    shape = _Shape(tabs, 0)
    widths = Counter(len(shape.cells(text)) for text in content)
    return _Shape(tabs, widths.most_common(1)[0][0] if widths else 1)


def are_blocks(texts: Sequence[str]) -> bool:
    """Whether the beginning of a text file is that of a column file: blank lines, equal columns, tags in the last."""
    shape = _shape(texts)
    content = [shape.cells(text) for text in texts if text.strip() and not shape.is_comment(text)]
    if shape.width < 2 or not any(not text.strip() for text in texts[1:]):
        return False
    tagged = sum(len(cells) == shape.width and _TAG.fullmatch(cells[-1]) is not None for cells in content)
    return len(content) > 1 and tagged >= _MOSTLY * len(content)


def are_single(texts: Sequence[str]) -> bool:
    """Whether the beginning of a text file has a word a line, without tags, and blank lines between sentences."""
    return any(not text.strip() for text in texts[1:-1]) and all(len(text.split()) < 2 for text in texts)


def from_words(written: str, lines: Lines) -> Iterator[Row | Finding]:
    """One row a line, its words under `tokens`; blank lines are passed over."""
    for line in lines:
        if isinstance(line, Finding):
            yield line
        elif line.text.strip():
            where = f"{written}:{line.number}"
            yield flaw(line.text, where) or Row({"tokens": line.text.split()}, where)


def are_aligned(words: Sequence[str], tags: Sequence[str]) -> bool:
    """Whether the beginnings of two files are words on lines, and a tag for each on the lines of the other."""
    pairs = list(zip(map(str.split, words), map(str.split, tags), strict=False))
    every = [tag for _, each in pairs for tag in each]
    plain = [word for each, _ in pairs for word in each]
    even = sum(len(some) == len(others) for some, others in pairs)
    return (bool(every) and even >= _MOSTLY * len(pairs) and _share(every) >= _MOSTLY and _share(plain) < 1 / 2)


def _share(words: Sequence[str]) -> float:
    return sum(_TAG.fullmatch(word) is not None for word in words) / len(words) if words else 0.0


def from_aligned(words: tuple[str, Lines], tags: tuple[str, Lines]) -> Iterator[Row | Finding]:
    """One row a line that both files have, with `tokens` and `tags`; lines that are blank in both are passed over."""
    (written, word_lines), (tags_written, tag_lines) = words, tags
    found: list[Finding] = []
    ours, theirs = _places(word_lines, found), _places(tag_lines, found)
    while True:
        number, text = next(ours, (0, ""))
        other, tagged = next(theirs, (0, ""))
        yield from found
        found.clear()
        if not number and not other:
            return
        if not number or not other:
            yield _uneven(written if number else tags_written, number or other, tags_written if number else written)
            return
        if text is None or tagged is None or not (text.strip() or tagged.strip()):
            continue
        flawed = flaw(text, f"{written}:{number}") or flaw(tagged, f"{tags_written}:{number}")
        yield flawed or Row({"tokens": text.split(), "tags": tagged.split()}, f"{written}:{number}")


def _places(lines: Lines, found: list[Finding]) -> Iterator[tuple[int, str | None]]:
    """Each line's number and text; None for one that could not be read, which is told."""
    number = 0
    for line in lines:
        if isinstance(line, Line):
            number = line.number
            yield number, line.text
        else:
            found.append(line)
            if line.severity == "error":
                number += 1
                yield number, None


def _uneven(longer: str, number: int, shorter: str) -> Finding:
    return Finding("error", "data.unaligned", f"`{longer}` goes on after the last line of `{shorter}`, so the lines of "
                   "the two do not belong together", f"{longer}:{number}", "name files of as many lines")
