"""Rows from plain text: paragraphs, parted by blank lines; a file without blank lines gives a row for each line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..records import Finding, Row
from .lines import ROW_BYTES, Line, flaw, too_large


def from_text(written: str, opened: Callable[[], Iterable[Line | Finding]]) -> Iterator[Row | Finding]:
    """One row `{"text": …}` for each paragraph or line, and a note which of the two it is."""
    by_line = not _has_paragraphs(opened())
    unit = "line, because it has no blank lines" if by_line else "paragraph (blank lines part them)"
    yield Finding("note", "data.unit", f"the file is read as one text for each {unit}", f"{written}:1",
                  "put blank lines between texts, if one goes on over several lines" if by_line else "")
    held: list[Line] = []
    size = 0
    for line in opened():
        if isinstance(line, Finding):
            yield line
            continue
        if line.text.strip():
            size += len(line.text)
            if size <= ROW_BYTES or not held:
                held.append(line)
        if held and (by_line or not line.text.strip()):
            yield _row(written, held, size)
            held, size = [], 0
    if held:
        yield _row(written, held, size)


def from_lines(written: str, lines: Iterable[Line | Finding]) -> Iterator[Row | Finding]:
    """One row `{"text": …}` for each line that is not blank."""
    for line in lines:
        if isinstance(line, Finding):
            yield line
        elif line.text.strip():
            yield _row(written, [line], len(line.text))


def _has_paragraphs(lines: Iterable[Line | Finding]) -> bool:
    """Whether a blank line stands between two lines of text."""
    seen = gap = False
    for line in lines:
        if isinstance(line, Finding):
            continue
        if line.text.strip():
            if gap:
                return True
            seen = True
        else:
            gap = seen
    return False


def _row(written: str, held: list[Line], size: int) -> Row | Finding:
    where = f"{written}:{held[0].number}"
    text = "\n".join(line.text for line in held)
    if size > ROW_BYTES:
        return too_large(where)
    return flaw(text, where) or Row({"text": text}, where)
