"""What to do about a text that a step of cleaning would mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...records import Example, Question, Side, Tagged


def mending(sides: Mapping[Side, Sequence[Example]], command: str, does: str, meant: str) -> str:
    """The command that mends it and what it does, or where no step may write the rows anew, that the file is to be."""
    first = next((example for examples in sides.values() for example in examples), None)
    if isinstance(first, Tagged | Question):
        return f"mend the file itself: tags and answers point into these texts, which no step may move; {meant}"
    return f"`{command}` {does}; {meant}"
