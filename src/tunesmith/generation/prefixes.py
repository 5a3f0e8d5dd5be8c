"""What is kept of answers that have ended, so that a prompt which begins as an earlier one did is not read again.

The system prompt that many requests share, and the earlier turns of a conversation: of all that is kept and all that is
being written, the one with the longest beginning in common lends it. What was used least recently goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels.cached import Memory

Ids = NDArray[np.int64]
MOST_KEPT = 64  # each is looked at for every prompt, and a small model's take next to no memory


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The ids that a memory knows, and it."""

    ids: Ids
    memory: Memory


class Prefixes:
    """Memories of ended answers: the latest 64 at most, and of so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: list[Known] = []  # the one used least recently first

    @property
    def kept(self) -> Sequence[Known]:
        """All that is kept, the one used least recently first."""
        return self._kept

    @property
    def bytes(self) -> int:
        """What all that is kept takes."""
        return sum(each.memory.bytes for each in self._kept)

    def lend(self, ids: Sequence[int], writing: Iterable[Known]) -> Memory:
        """A memory of the longest known beginning of a prompt, which is never all of it: its last token is to be read.

        writing: what is known of the answers that are being written.
        """
        wanted = np.asarray(ids[:-1], np.int64)
        best: Known | None = None
        most = 0
        for each in (*self._kept, *writing):
            shared = common(each.ids, wanted)
            if shared > most:
                best, most = each, shared
        if best is None:
            return Memory()
        kept = next((place for place, each in enumerate(self._kept) if each is best), None)
        if kept is None:
            return best.memory.copied(most)
        del self._kept[kept]
        if most == len(best.ids):  # the prompt goes on from all of it, and keeps it
            return best.memory
        self._kept.append(best)
        return best.memory.copied(most)

    def keep(self, ids: Sequence[int], memory: Memory) -> None:
        """Keep a memory, in the place of all that it begins with; drop those not used for longest."""
        new = Known(np.asarray(ids[: memory.known], np.int64), memory)
        if memory.bytes > self._most_bytes or not len(new.ids):
            return
        if any(common(each.ids, new.ids) == len(new.ids) for each in self._kept):
            return
        self._kept = [each for each in self._kept if common(each.ids, new.ids) < len(each.ids)]
        self._kept.append(new)
        del self._kept[:-MOST_KEPT]
        bytes_kept = self.bytes
        while bytes_kept > self._most_bytes:
            bytes_kept -= self._kept.pop(0).memory.bytes


def common(one: Ids, other: Ids) -> int:
    """How many ids two sequences begin with together."""
    length = min(len(one), len(other))
    differs = one[:length] != other[:length]
    return int(differs.argmax()) if differs.any() else length
