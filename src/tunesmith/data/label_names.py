"""Labels as texts: numbers written as such, and ids as the names that stand on the lines of a file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from ..errors import Misuse, Refusal
from ..reading.quoting import quoted
from ..recipe.located import FILE
from ..records import Row
from .fields import wrong_type

LabelNames = Annotated[str | None, FILE]


def named(row: Row, place: str, value: Any, names: str | None) -> str:
    """A label as text: its name where there is a file of names. Raises Refusal for what is neither text nor number."""
    if isinstance(value, bool):
        value = int(value) if names else str(value).lower()
    if not isinstance(value, str | int | float):
        raise wrong_type(row, place, value, "a text or a number")
    label = str(value).strip()
    if names is None:
        return label
    known = read(names)
    if label.isdecimal() and int(label) < len(known):
        return known[int(label)]
    if label in known:
        return label
    raise Refusal("data.no_label_name", f"{quoted(label)} is no line of `{Path(names).name}`, which has {len(known)} "
                  "names, counted from 0", row.where, "add the name, or correct the label")


def read(names: str) -> tuple[str, ...]:
    """The names, one a line. Raises Misuse where there is no such file, or nothing in it."""
    try:
        state = Path(names).stat()
        found = _read(names, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse("data.label_names", f"the file of names cannot be read: {error}", names,
                     "name a file with one name a line in `data.format`") from error
    if not found:
        raise Misuse("data.label_names", "the file of names is empty", names, "write one name a line")
    return found


@lru_cache(maxsize=8)
def _read(names: str, changed: int, size: int) -> tuple[str, ...]:
    """The lines, as long as the file is the same: it is asked for at each row."""
    text = Path(names).read_text(encoding="utf-8-sig")
    return tuple(line.strip() for line in text.rstrip().split("\n")) if text.strip() else ()
