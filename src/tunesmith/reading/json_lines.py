"""Rows from JSON: one object a line, or one array of objects; each row keeps the line on which it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..records import Finding, Row
from .lines import ROW_BYTES, Line, flaw, too_large, wrong_characters
from .quoting import quoted

ARRAY_BYTES = 2**30
DEPTH = 64  # far below the depth at which Python's own JSON writer gives up
_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_OPENING = re.compile(r"[\[{]")
_SPACE = re.compile(r"[ \t\r\n]*")
Flaws = list[tuple[str, str, str]]


def opens_array(head: str, *, one_a_line: bool) -> bool:
    """Whether the first line of a file begins one value for the whole file, rather than being a row itself.

    one_a_line: the file's name says that it holds one row a line.
    """
    if one_a_line:
        return head == "["
    if not head.startswith("{"):
        return True
    try:
        json.loads(head)
    except (ValueError, RecursionError):
        return not head.endswith("}")
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
    text, findings = whole(written, lines)
    yield from findings
    if text.strip():
        yield from _elements(written, text)


def whole(written: str, lines: Iterable[Line | Finding]) -> tuple[str, list[Finding]]:
    """The text of a file up to its first error, and what was found; no text where the file is too large."""
    texts: list[str] = []
    findings: list[Finding] = []
    size = 0
    for line in lines:
        if isinstance(line, Finding):
            findings.append(line)
            if line.severity == "error":
                break
            continue
        texts.append(line.text)
        size += len(line.text)
        if size > ARRAY_BYTES:
            return "", [*findings, too_large(f"{written}:1", ARRAY_BYTES)]
    return "\n".join(texts), findings


def _row(text: str, where: str) -> Row | Finding:
    found = flaw(text, where)
    if found:
        return found
    flaws: Flaws = []
    try:
        value = decoder(flaws).decode(text)
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
    if len(_OPENING.findall(text)) > DEPTH and _is_deep(value):
        return _too_deep(where)
    if _ESCAPED.search(text):
        found = wrong_characters(every_text(value), where)
        if found:
            return found
    return Row(value, where)


def _is_deep(value: Any) -> bool:
    """Whether a value nests deeper than the limit; level by level, because recursion is what must be spared."""
    level = [value]
    for _ in range(DEPTH):
        level = [one for held in level for one in _inside(held) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def every_text(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        yield from value
    for one in _inside(value):
        yield from every_text(one)


def _named(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def decoder(flaws: Flaws) -> json.JSONDecoder:
    """A decoder that writes down doubled keys and NaN, which the standard one lets pass."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(items)
        if len(values) < len(items):
            keys = [key for key, _ in items]
            doubled = next(key for key in keys if keys.count(key) > 1)
            flaws.append(("data.doubled_key", f"the key {quoted(doubled)} stands twice in one object",
                          "keep one of the two"))
        return values

    def constant(name: str) -> None:
        flaws.append(("data.not_a_number", f"`{name}` is no JSON value", "write `null` or a number instead"))

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant)


def _broken(error: ValueError | RecursionError, where: str) -> Finding:
    if isinstance(error, RecursionError):
        return _too_deep(where)
    if isinstance(error, json.JSONDecodeError):
        nul = wrong_characters([error.doc[error.pos:error.pos + 1]], where)
        what = f"broken JSON: {error.msg.removesuffix(' at')} (column {error.colno})"
        return nul or Finding("error", "data.json", what, where, "mend the row, or take it out")
    return Finding("error", "data.json", f"broken JSON: {error}".split(";")[0], where, "mend the row, or take it out")


def _too_deep(where: str) -> Finding:
    return Finding("error", "data.too_deep", f"the row nests more than {DEPTH} arrays or objects", where,
                   "flatten the row")


def _elements(written: str, text: str) -> Iterator[Row | Finding]:
    """The rows of an array; after a broken one, on with the next line that starts an element as the others did."""
    flaws: Flaws = []
    reader = decoder(flaws)
    at = past_space(text, 0)
    if text[at:at + 1] != "[":
        yield _no_array(written, text, at)
        return
    at, line, counted = past_space(text, at + 1), 1, 0
    while text[at:at + 1] not in ("]", ""):
        line, counted = line + text.count("\n", counted, at), at
        where = f"{written}:{line}"
        flaws.clear()
        try:
            value, end = reader.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield _broken(error, _where_broken(written, line, at, error))
            after = _next_alike(text, at)
            if after is None:
                yield _lost(where)
            if not after:
                return
            at = after
            continue
        raw = text[at:end]
        yield too_large(where) if len(raw) > ROW_BYTES else flaw(raw, where) or _judged(value, raw, flaws, where)
        at = past_space(text, end)
        if text[at:at + 1] == ",":
            at = past_space(text, at + 1)
        elif text[at:at + 1] not in ("]", ""):
            yield _unseparated(written, line + text.count("\n", counted, at))
            if text[at:at + 1] != "{":
                return
    if text[at:at + 1] != "]":
        yield Finding("error", "data.cut_short", "the file ends before its array does",
                      f"{written}:{text.count(chr(10)) + 1}", "fetch the file again, or close the array with `]`")
    elif text[at + 1:].strip():
        yield Finding("error", "data.json", "broken JSON: more text follows the end of the array",
                      f"{written}:{text.count(chr(10), 0, past_space(text, at + 1)) + 1}",
                      "write all rows into one array, or one object a line (.jsonl)")


def past_space(text: str, at: int) -> int:
    """The next place that is no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _where_broken(written: str, line: int, at: int, error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{written}:{line + error.doc.count(chr(10), at, error.pos)}"
    return f"{written}:{line}"


def _next_alike(text: str, at: int) -> int | None:
    """Where the next object starts on a line of its own, indented as the one here; 0 where no more do.

    None where the one here does not begin its line, so that elements cannot be told by their indentation.
    """
    indent = text[text.rfind("\n", 0, at) + 1:at]
    if indent.strip():
        return None
    found = re.compile(rf"\n{indent}\{{").search(text, at)
    return found.end() - 1 if found else 0


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
