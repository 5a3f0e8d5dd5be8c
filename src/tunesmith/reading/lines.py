"""The lines of a file, numbered and decoded; what cannot be a line becomes a finding and reading goes on."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from ..records import Finding
from .quoting import quoted

ROW_BYTES = 8 * 2**20  # more than a million words: no row of that size can be meant as one example
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = "\ufeff"
_BROKEN = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are no UTF-8
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line break, and its number counted from 1."""

    number: int
    text: str


def lines(written: str, path: Path, limit: int = ROW_BYTES) -> Iterator[Line | Finding]:
    """Every line of a file, plain or gz, up to `limit` bytes. Bytes that are no UTF-8 stay as escapes for `flaw`."""
    try:
        with _opened(path) as file:
            yield from of_file(written, file, limit)
    except OSError as error:
        yield _cut_short(written, 1, error)


def of_file(written: str, file: BufferedReader | gzip.GzipFile, limit: int = ROW_BYTES) -> Iterator[Line | Finding]:
    """As `lines`, of a file that is open: a buffered one of bytes, such as stdin's."""
    number = 0
    try:
        start = file.peek(256)[:256]
        if _is_utf16(start):
            yield _error("data.encoding", "the file is UTF-16, not UTF-8", f"{written}:1",
                         f"convert it: `iconv -f UTF-16 -t UTF-8 {written}`")
            return
        for number, data in _numbered(file, limit):
            yield from _decoded(data, f"{written}:{number}", number, limit)
    except (EOFError, OSError, zlib.error) as error:
        yield _cut_short(written, number + 1, error)


def _cut_short(written: str, line: int, error: Exception) -> Finding:
    return _error("data.cut_short", f"the file cannot be read on from here: {error}", f"{written}:{line}",
                  "fetch the file again: it is cut short or damaged")


def head(path: Path) -> str:
    """The first line that is not blank (at most 1 MiB of it), without space around it; "" where none can be read."""
    return beginning(path).lstrip().split("\n", 1)[0].rstrip()


def beginning(path: Path) -> str:
    """The first 1 MiB of a file; "" where nothing can be read."""
    try:
        with _opened(path) as file:
            start = file.read(2**20)
    except (EOFError, OSError, zlib.error):
        return ""
    return start.decode("utf-8", "replace").removeprefix(_BOM)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader | gzip.GzipFile]:
    """The bytes of a file; gz is told by its first bytes, whatever the file's name."""
    with path.open("rb") as plain:
        if plain.peek(2)[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=plain) as unzipped:
                yield unzipped
        else:
            yield plain


def _is_utf16(start: bytes) -> bool:
    """By its mark, or because every other byte of the beginning is zero."""
    zeros = start.count(0)
    one_sided = max(start[::2].count(0), start[1::2].count(0)) == zeros
    return start.startswith(_UTF16) or (len(start) > 8 and zeros * 3 > len(start) and one_sided)


def _numbered(file: BufferedReader | gzip.GzipFile, limit: int) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of a line longer than the limit one byte more than that comes, the rest is passed."""
    number = 0
    while data := file.readline(limit + 1):
        number += 1
        rest = data
        while len(rest) > limit and not rest.endswith(b"\n"):
            rest = file.readline(limit + 1)
        yield number, data


def _decoded(data: bytes, where: str, number: int, limit: int) -> Iterator[Line | Finding]:
    if len(data) > limit:
        yield too_large(where, limit)
        return
    text = data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if number == 1 and text.startswith(_BOM):
        yield Finding("note", "data.bom", "the file starts with a byte order mark, which is left out", where)
        text = text.removeprefix(_BOM)
    yield Line(number, text)


def too_large(where: str, limit: int = ROW_BYTES) -> Finding:
    """The finding for a row above the limit."""
    return _error("data.row_too_large", f"the row is longer than {limit // 2**20} MiB", where,
                  "cut the row into several, or take it out")


def flaw(text: str, where: str) -> Finding | None:
    """What makes this text unusable whatever its format: wrong bytes, lone surrogates, NUL."""
    if broken := _BROKEN.search(text):
        byte, before = ord(broken.group()) - 0xDC00, quoted(text[max(broken.start() - 20, 0) : broken.start()].strip())
        return _error("data.encoding", f"the row is not valid UTF-8: byte 0x{byte:02X} follows {before}", where,
                      "write the character as UTF-8; where the whole file has another encoding, `iconv -f LATIN1 -t "
                      "UTF-8` (with the encoding that it has) converts it, but spoils rows that are UTF-8 already")
    return wrong_characters([text], where)


def wrong_characters(texts: Iterable[str], where: str) -> Finding | None:
    """The finding for texts that hold what no tokenizer takes: halves of surrogate pairs, NUL."""
    for text in texts:
        if _SURROGATE.search(text):
            return _error("data.surrogate", "the row holds half of a surrogate pair, which is no character", where,
                          "remove the lone `\\ud800` to `\\udfff`, or write both halves")
        if "\x00" in text:
            return _error("data.nul", "the row holds a NUL character", where, "remove the NUL characters")
    return None


def _error(kind: str, what: str, where: str, remedy: str) -> Finding:
    return Finding("error", kind, what, where, remedy)
