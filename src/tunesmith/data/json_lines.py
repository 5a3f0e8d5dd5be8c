"""Rows from JSON: one object a line, or one array of objects; each row keeps the line on which it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..records import Finding, Row
from .lines import ROW_BYTES, Line, flaw, too_large

ARRAY_BYTES = 2**30
_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_SPACE = re.compile(r"[ \t\r\n]*")
Flaws = list[tuple[str, str, str]]


def opens_array(first: str, *, one_a_line: bool) -> bool:
    """Whether the first line of a file starts one value that goes on over the file, rather than being a row itself."""
    if first.startswith("["):
        return not one_a_line or first == "["
    if one_a_line or not first.startswith("{"):
        return not one_a_line
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return first in ("{", "{}") or not first.endswith("}")
    return False


def from_lines(written: str, lines: Iterable[Line | Finding]) -> Iterator[Row | Finding]:
    """One row for each line that is not blank."""
    for line in lines:
        if isinstance(line, Finding):
            yield line
        elif line.text.strip():
            yield _row(line.text, f"{written}:{line.number}")


def from_array(written: str, lines: Iterable[Line | Finding]) -> Iterator[Row | Finding]:
    """One row for each element of the array that the file holds; the whole file is held in memory."""
    texts: list[str] = []
    size = 0
    for line in lines:
        if isinstance(line, Finding):
            yield line
            if line.severity == "error" and line.kind != "data.row_too_large":
                break
            texts.append("")
            continue
        texts.append(line.text)
        size += len(line.text)
        if size > ARRAY_BYTES:
            yield Finding("error", "data.array_too_large", "the array is larger than 1 GiB", f"{written}:1",
                          "write one object a line (.jsonl): such a file is read row by row")
            return
    text = "\n".join(texts)
    if text.strip():
        yield from _elements(written, text)


def _row(text: str, where: str) -> Row | Finding:
    found = flaw(text, where)
    if found:
        return found
    flaws: Flaws = []
    try:
        value = _decoder(flaws).decode(text)
    except (ValueError, RecursionError) as error:
        return _broken(error, where)
    return _judged(value, text, flaws, where)


def _judged(value: Any, text: str, flaws: Flaws, where: str) -> Row | Finding:
    """The value as a row, unless something about it cannot be right."""
    if flaws:
        kind, what, remedy = flaws[0]
        return Finding("error", kind, what, where, remedy)
    if not isinstance(value, dict):
        return Finding("error", "data.not_object", f"the row is {_named(value)}, not an object with named fields",
                       where, 'write each row as an object: {"prompt": "…", "answer": "…"}')
    if _ESCAPED.search(text):
        found = flaw(json.dumps(value, ensure_ascii=False), where) or _escaped_nul(value, where)
        if found:
            return found
    return Row(value, where)


def _escaped_nul(value: Any, where: str) -> Finding | None:
    """`json.dumps` writes NUL as an escape again, so it is looked for as that."""
    return flaw("\x00", where) if "\\u0000" in json.dumps(value).replace("\\\\", "") else None


def _named(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _decoder(flaws: Flaws) -> json.JSONDecoder:
    """A decoder that writes down doubled keys and NaN, which the standard one lets pass."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(items)
        if len(values) < len(items):
            keys = [key for key, _ in items]
            doubled = next(key for key in keys if keys.count(key) > 1)
            flaws.append(("data.doubled_key", f"the key `{doubled}` stands twice in one object",
                          "keep one of the two"))
        return values

    def constant(name: str) -> None:
        flaws.append(("data.not_a_number", f"`{name}` is no JSON value", "write `null` or a number instead"))

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant)


def _broken(error: ValueError | RecursionError, where: str) -> Finding:
    if isinstance(error, RecursionError):
        return Finding("error", "data.too_deep", "the row is nested too deeply", where, "flatten the row")
    if isinstance(error, json.JSONDecodeError):
        return Finding("error", "data.json", f"broken JSON: {error.msg} (column {error.colno})", where,
                       "mend the row, or take it out")
    return Finding("error", "data.json", f"broken JSON: {error}".split(";")[0], where, "mend the row, or take it out")


def _elements(written: str, text: str) -> Iterator[Row | Finding]:
    """The rows of an array; after a broken one, on with the next line that starts an element as the others did."""
    flaws: Flaws = []
    decoder = _decoder(flaws)
    at = _past_space(text, 0)
    if text[at:at + 1] != "[":
        yield _no_array(written, text, at)
        return
    at, line, counted = _past_space(text, at + 1), 1, 0
    while text[at:at + 1] not in ("]", ""):
        line, counted = line + text.count("\n", counted, at), at
        where = f"{written}:{line}"
        flaws.clear()
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield _broken(error, _where_broken(written, line, at, error))
            at = _next_alike(text, at)
            if at < 0:
                yield _lost(where)
                return
            continue
        raw = text[at:end]
        yield too_large(where) if len(raw) > ROW_BYTES else flaw(raw, where) or _judged(value, raw, flaws, where)
        at = _past_space(text, end)
        if text[at:at + 1] == ",":
            at = _past_space(text, at + 1)
        elif text[at:at + 1] != "]":
            yield _unseparated(written, line + text.count("\n", counted, at))
            if text[at:at + 1] != "{":
                return
    if text[at:at + 1] != "]":
        yield Finding("error", "data.cut_short", "the file ends before its array does",
                      f"{written}:{text.count(chr(10)) + 1}", "fetch the file again, or close the array with `]`")


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _where_broken(written: str, line: int, at: int, error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{written}:{line + error.doc.count(chr(10), at, error.pos)}"
    return f"{written}:{line}"


def _next_alike(text: str, at: int) -> int:
    """Where the next object starts on a line of its own at the same depth; -1 where none does."""
    start = text.rfind("\n", 0, at) + 1
    indent = text[start:at]
    if indent.strip():
        return -1
    found = re.compile(rf"\n{indent}\{{").search(text, at)
    return found.end() - 1 if found else -1


def _no_array(written: str, text: str, at: int) -> Finding:
    what = "the file holds one object, not an array of rows" if text[at:at + 1] == "{" else "the file holds no array"
    return Finding("error", "data.not_array", what, f"{written}:{text.count(chr(10), 0, at) + 1}",
                   "write the rows as an array of objects, or as one object a line (.jsonl)")


def _lost(where: str) -> Finding:
    return Finding("error", "data.rest_unread", "the rows after the broken one cannot be told apart and are not read",
                   where, "mend the row and check again")


def _unseparated(written: str, line: int) -> Finding:
    return Finding("error", "data.json", "broken JSON: no comma between two elements", f"{written}:{line}",
                   "put a comma between the rows, and `]` after the last one")
