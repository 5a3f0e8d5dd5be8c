"""JSON as this project writes it: the same value always gives the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

LEADING = ("kind", "step")


def plain(value: Any) -> Any:
    """The value as JSON can hold it: mappings as dict, sequences as list, NaN and infinities as None.

    Keys are sorted, so that two programs that gather the same facts in another order write the same bytes; `kind` and
    `step` stand first, because a person reads a line from its left end. Raises TypeError for what is no JSON.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"a key of JSON is a string, not {strange[0]!r}")
        keys = [key for key in LEADING if key in value] + sorted(key for key in value if key not in LEADING)
        return {key: plain(value[key]) for key in keys}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no JSON value")


def line(value: Any) -> bytes:
    """One line of UTF-8 with its newline, for `.jsonl` files."""
    return _encoded(json.dumps(plain(value), ensure_ascii=False, allow_nan=False)) + b"\n"


def pretty(value: Any) -> bytes:
    """Indented UTF-8 with a last newline, for files that people open."""
    return _encoded(json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=2)) + b"\n"


def parse(raw: bytes) -> Any:
    """The value that JSON bytes spell. Raises ValueError for what is no JSON, NaN and endless nesting included."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _encoded(text: str) -> bytes:
    # A lone surrogate has no UTF-8; `backslashreplace` spells it as JSON's own escape, which reads back as it was.
    return text.encode("utf-8", "backslashreplace")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"`{constant}` is no JSON number")
