"""Numbers as a page shows them."""

from __future__ import annotations


def short(value: float) -> str:
    """Four digits that count: `0.9844`, `1.72`, `12,340`."""
    told = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return told.replace("-", "\u2212", 1) if told.startswith("-") else told


def signed(value: float) -> str:
    """As `short`, with its sign."""
    return f"+{short(value)}" if value > 0 else short(value)


def share(value: float) -> str:
    """A share (0 to 1) as a reader says it: `98.4 %`."""
    return f"{100 * value:.1f}\u202f%"


def moment(told: str | None) -> str:
    """A time of `isoformat` as a reader says it: `2026-11-21 09:30:00 UTC`."""
    return (told or "").replace("T", " ").replace("+00:00", " UTC")


def many(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
