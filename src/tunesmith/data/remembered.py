"""The file that remembers which side each group is on: a line for what was wanted, then one for each group.

No text stands in it: a group is a digest of 8 bytes. New groups are added at its end, so that it can be kept with the
data under version control.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Busy, Misuse, Refusal
from ..records import SIDES, Finding
from ..runs import durable

VERSION = 1
NAMES = (*SIDES, "aside")
UNKNOWN = -1
Facts = Mapping[str, Any]  # the seed, the shares, and the dates that followed from them; never changed


@dataclass(frozen=True)
class Remembered:
    """What stands in the file, if there is one. sides: by the digest of a group its side's place in `NAMES`."""

    facts: Facts = field(default_factory=dict)
    sides: Mapping[int, int] = field(default_factory=dict)


def read(path: Path) -> Remembered:
    """What a file remembers. Raises Misuse where it cannot be read, Refusal where it is another file or damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return Remembered()
    except OSError as error:
        raise Misuse("data.sides", f"the file of sides cannot be read: {error.strerror}", str(path),
                     "name a file that you may read, or one that does not exist yet") from error
    if not lines:
        return Remembered()
    facts = _line(lines[0], path, 1)
    if facts.get("sides") != VERSION or not _sound(facts):
        raise _damaged(path, 1, "it is no file of sides, or of another version")
    sides: dict[int, int] = {}
    for number, line in enumerate(lines[1:], 2):
        told = _line(line, path, number)
        try:
            group, side = int(told["group"], 16), NAMES.index(told["side"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, number, "a line has a `group`, which is a digest, and a `side`") from error
        if sides.setdefault(group, side) != side:
            raise _damaged(path, number, f"the group {told['group']} is on two sides")
    return Remembered({name: value for name, value in facts.items() if name != "sides"}, sides)


def _sound(facts: Facts) -> bool:
    return type(facts.get("seed")) is int and all(
        isinstance(value, str if name.endswith("_from") else int | float) for name, value in facts.items())


def _line(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise _damaged(path, number, "the line is no JSON") from error
    if not isinstance(found, dict):
        raise _damaged(path, number, "the line is no JSON object")
    return found


def _damaged(path: Path, number: int, what: str) -> Refusal:
    return Refusal("data.sides", f"the file of sides is damaged: {what}", f"{path}:{number}",
                   "restore it from a copy; without it rows change their sides")


@dataclass(frozen=True)
class Keeping:
    """The sides of the groups of a run's rows, and the file that is to remember them.

    groups: (G,) their digests; sides: (G,) their places in `NAMES`; known: (G,) which of them the file knew already;
    begun: whether there was a file; facts: what was wanted.
    """

    path: Path
    facts: Facts
    groups: NDArray[np.uint64]
    sides: NDArray[np.int8]
    known: NDArray[np.bool_]
    begun: bool

    def agrees(self, known: Remembered) -> bool:
        """Whether the file, which may have grown meanwhile, still gives these sides."""
        if self.begun and not known.facts:
            return False
        dates = {name: value for name, value in self.facts.items() if name.endswith("_from")}
        if any(known.facts.get(name, date) != date for name, date in dates.items()):
            return False
        return all(known.sides.get(int(group), UNKNOWN if then else side) == side
                   for group, side, then in zip(self.groups, self.sides, self.known, strict=True))

    def new(self, known: Remembered) -> list[int]:
        """The places of the groups that the file does not know."""
        return [place for place, group in enumerate(self.groups) if int(group) not in known.sides]

    def told(self) -> list[Finding]:
        """How many groups the file does not know yet."""
        new = len(self.new(read(self.path)))
        if not new:
            return []
        return [Finding("note", "data.sides_new", f"{new:,} of {len(self.groups):,} groups are new to "
                        f"`{self.path.name}`; `tunesmith train` adds them", str(self.path))]

    def write(self) -> None:
        """Put new groups at the end of the file, which is whole at any time. Raises Busy if another run was first."""
        known = read(self.path)
        if not self.agrees(known):
            raise Busy("data.sides_changed", "another run gave some of these rows other sides meanwhile",
                       str(self.path), "start again: they then keep those")
        new = self.new(known)
        if not new and known.facts:
            return
        durable.make_folder(self.path.parent)
        sides = {**known.sides, **{int(self.groups[place]): int(self.sides[place]) for place in new}}
        lines = [json.dumps({"sides": VERSION, **(known.facts or self.facts)})]
        lines += [json.dumps({"group": f"{group:016x}", "side": NAMES[side]}) for group, side in sides.items()]
        durable.write_file(self.path, ("\n".join(lines) + "\n").encode())
