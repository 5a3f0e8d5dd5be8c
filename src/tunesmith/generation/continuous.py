"""Answers to requests that come and go: each joins the others at the next step and leaves as soon as it is ended.

Every step is one forward pass over one flat row: a token of each answer that is being written, and a part of the
prompts that are still to be read, so long ones do not hold up the others. What is said to one does not depend on who
its neighbours are. A network that cannot be read so reads each row by itself, and `why` says it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..errors import Misuse
from ..kernels.cached import Memory
from ..models.model import LanguageModel
from . import packed
from .decode import Network, Reader, Rows, begin, vet
from .decode import read as read_alone
from .prefixes import Known, Prefixes, common
from .telling import Saying, Told, Wanted, tell

__all__ = ["Continuous", "Told", "Wanted"]

KEPT_BYTES = 2**29
# Tokens of prompts that are read in one step: while answers are being written each waits for all of them
READ_BESIDE, READ_ALONE = 128, 512
WORTH_WAITING = 32  # tokens that a neighbour is about to read, and a prompt would have to read again


@dataclass(slots=True, eq=False)
class _Row:
    """An answer and what the network remembers of it. alone: where it is read by itself, and the ids to read next."""

    saying: Saying
    memory: Memory = field(default_factory=Memory)
    alone: tuple[Rows, torch.Tensor] | None = None
    placed: bool = False  # whether it was looked whether its beginning is known

    @property
    def unread(self) -> int:
        """Tokens that are to be read before the next one can be told."""
        return len(self.saying.ids) - self.memory.known

    @property
    def known(self) -> Known:
        return Known(np.asarray(self.saying.ids[: self.memory.known], np.int64), self.memory)


class Continuous:
    """One model's running batch. It is not safe for threads: one thread steps it, adds to it and removes from it.

    rows: answers written at a time, those that come later wait; kept: bytes of memory for the beginnings of prompts.
    why: where each row is read by itself, the reason, for a person; read, recalled: tokens of prompts and answers that
    the network read so far, and tokens of prompts that it did not have to.
    Raises Misuse for a model that does not go on with a text.
    """

    def __init__(self, model: Network, codec: Reader, *, rows: int = 16, kept: int = KEPT_BYTES) -> None:
        if isinstance(model, LanguageModel) and model.head.kind != "causal":
            raise Misuse("generation.no_answers", "the model's task is not to go on with a text", "",
                         "use `tunesmith predict RUN FILE`")
        self._model = model
        self._codec = codec
        self._most_rows = rows
        self._prefixes = Prefixes(kept)
        self._waiting: list[_Row] = []
        self._running: list[_Row] = []
        self.why = packed.fault(model)
        self.read = 0
        self.recalled = 0

    @property
    def waiting(self) -> int:
        """Answers for which there was no row yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Answers whose prompt is being read, or which are being written."""
        return len(self._running)

    def add(self, key: Hashable, wanted: Wanted) -> None:
        """Let an answer join at the next step. key: what its tokens are told with, of no other one that is here.

        Raises Misuse for a prompt that is empty or leaves no room in the context.
        """
        vet(self._codec, [wanted.ids])
        if any(row.saying.key == key for row in (*self._waiting, *self._running)):
            raise ValueError(f"an answer with the key {key!r} is being written")
        self._waiting.append(_Row(Saying.of(key, wanted, self._codec.context)))

    def remove(self, key: Hashable) -> None:
        """Let an answer go: its row is free at the next step. One that has ended is not there, which is no fault."""
        for row in (*self._waiting, *self._running):
            if row.saying.key == key:
                self._let_go(row)

    def step(self) -> Sequence[Told]:
        """The next token of each answer whose prompt is read; after one forward pass, or none where nothing is to do.

        An answer that is told to have ended is gone, and its row free.
        """
        while self._waiting and len(self._running) < self._most_rows:
            self._running.append(self._waiting.pop(0))
        if not self._running:
            return []
        told = self._each_alone() if self.why else self._together()
        ended = {each.key for each in told if each.stopped_by}
        for row in [row for row in self._running if row.saying.key in ended]:
            self._let_go(row)
        return told

    def _let_go(self, row: _Row) -> None:
        if row in self._waiting:
            self._waiting.remove(row)
            return
        self._running.remove(row)
        self._prefixes.keep(row.saying.ids, row.memory)

    def _together(self) -> list[Told]:
        reading = list(self._portions())
        new = [row.saying.ids[row.memory.known : row.memory.known + tokens] for row, tokens in reading]
        whole = [place for place, (row, tokens) in enumerate(reading) if tokens == row.unread]
        self.read += sum(map(len, new))
        # a pass without one token to tell still ends at the head, which answers one row at least
        logits_RV = packed.read(self._model, [row.memory for row, _ in reading], new, whole or [0])
        return tell([reading[place][0].saying for place in whole], logits_RV, self._codec.stop) if whole else []

    def _portions(self) -> Iterator[tuple[_Row, int]]:
        """The rows that are read now, and how many tokens of each: one of answers, of prompts what fits."""
        writing = [row for row in self._running if row.saying.said]
        yield from ((row, 1) for row in writing)
        room = READ_BESIDE if writing else READ_ALONE
        prompts = [row for row in self._running if not row.saying.said]
        for place, row in enumerate(prompts):
            if not room:
                return
            if not row.placed and not self._placed(row, prompts[:place]):
                continue
            tokens = min(room, row.unread)
            room -= tokens
            yield row, tokens

    def _placed(self, row: _Row, before: Sequence[_Row]) -> bool:
        """Whether a prompt begins with all that it can; False where a neighbour is just reading more of it."""
        ids = np.asarray(row.saying.ids[:-1], np.int64)
        known = [other.known for other in self._running if other is not row]
        reading = max((common(np.asarray(other.saying.ids, np.int64), ids) for other in before), default=0)
        if reading >= WORTH_WAITING + max(
                (common(other.ids, ids) for other in (*known, *self._prefixes.kept)), default=0):
            return False
        row.memory, row.placed = self._prefixes.lend(row.saying.ids, known), True
        self.recalled += row.memory.known
        return True

    def _each_alone(self) -> list[Told]:
        told = []
        for row in self._running:
            saying = row.saying
            if row.alone is None:
                row.alone = begin(self._model, [saying.wanted.ids], [saying.wanted.index], self._codec,
                                  saying.wanted.sampling)
            rows, ids_BT = row.alone
            self.read += ids_BT.shape[1]
            told += tell([saying], read_alone(self._model.network, rows, ids_BT), self._codec.stop)
            before_BT = ids_BT if rows.cache is None else ids_BT[:, :0]
            row.alone = rows, torch.cat([before_BT, ids_BT.new_tensor([[told[-1].token]])], dim=1)
        return told
