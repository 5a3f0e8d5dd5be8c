"""Names out of users' files as messages show them: short, and without characters that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST = 60
MOST = 12


def quoted(name: object) -> str:
    """The name between backticks: at most 60 characters, those that cannot be printed as escapes."""
    text = str(name)
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return "`" + "".join(one if one.isprintable() else ascii(one)[1:-1] for one in short) + "`"


def listed(names: Iterable[object], most: int = MOST) -> str:
    """The names one after the other; of more than `most`, the number of the others."""
    every = list(names)
    shown = ", ".join(quoted(name) for name in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def pairs(places: Sequence[tuple[str, str]], word: str, count: int) -> str:
    """Places of rows and of those that they repeat, folders left out; `count`: how many there are altogether."""
    shown = ", ".join(f"{Path(one).name} {word} {Path(other).name}" for one, other in places)
    return f"{shown} and {count - len(places)} more" if count > len(places) else shown
