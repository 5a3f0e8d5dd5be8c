"""The thread that writes a model's answers, and the bounded queue before it.

An event loop asks and hears; the thread steps the model's running batch. What crosses between them are `Wanted` and
`Told`. Who hangs up, or has its stop text, leaves before the next step.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ..errors import Problem, Problems
from .refusals import Refused, busy, of_failure, of_problem

if TYPE_CHECKING:
    from ..generation.continuous import Continuous, Told, Wanted

LOG = logging.getLogger("tunesmith.serving")
LATE = "the answer was not finished in the time that this server gives; ask for fewer tokens, or try again"


class Asked:
    """The answers that one request waits for: a place in the queue from the start, then token after token.

    Used by one event loop. It holds its places until `close`.
    """

    def __init__(self, answering: Answering, count: int, seconds: float) -> None:
        self.count = count
        self._answering = answering
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._heard: asyncio.Queue[Told | Refused] = asyncio.Queue()
        self._open = set(range(count))
        self._begun = False

    def begin(self, wanted: Sequence[Wanted]) -> None:
        """Let the answers be written, one for each place."""
        assert len(wanted) == self.count and not self._begun
        self._begun = True
        self._answering.enter([((self, index), each) for index, each in enumerate(wanted)])

    async def next(self) -> tuple[int, Told] | None:
        """An answer's index and its next token; None once all have ended.

        Raises Refused where the time is over, or where an answer cannot be written.
        """
        while self._open:
            try:
                async with asyncio.timeout_at(self._deadline):
                    heard = await self._heard.get()
            except TimeoutError:
                raise busy(LATE, "timeout") from None
            if isinstance(heard, Refused):
                raise heard
            index = cast(Key, heard.key)[1]
            if index in self._open:
                if heard.stopped_by:
                    self._open.discard(index)
                return index, heard
        return None

    def end(self, index: int) -> None:
        """No more of this answer is wanted."""
        self._open.discard(index)
        self._answering.leave([(self, index)])

    def close(self) -> None:
        """Nothing more is wanted, and the places are free; may be called again."""
        count, self.count = self.count, 0
        self._open.clear()
        self._answering.release([(self, index) for index in range(count)] if self._begun else [], count)

    def hear(self, said: Told | Refused) -> None:
        """Called by the thread."""
        with suppress(RuntimeError):  # the loop has ended, and nobody hears any more
            self._loop.call_soon_threadsafe(self._heard.put_nowait, said)


Key = tuple[Asked, int]


class Answering:
    """One model's running batch, stepped by a thread of its own as long as somebody waits."""

    def __init__(self, batch: Callable[[], Continuous], *, rows: int, queue: int, name: str) -> None:
        self.bound = rows + queue
        self._make = batch
        self._changed = threading.Condition()
        self._coming: deque[tuple[Key, Wanted]] = deque()
        self._going: deque[Key] = deque()
        self._held = 0  # places taken, whether begun or not
        self._known: set[Key] = set()  # in the batch; the thread's own
        self._running = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"answers of {name}", daemon=True)
        self._thread.start()

    def reserve(self, count: int, seconds: float) -> Asked:
        """Places for the answers of a request. Raises Refused: 429 where too many wait."""
        if count > self.bound:
            raise Refused(400, f"{count} answers are asked for at once, and this server takes no more than"
                          f" {self.bound}", param="n", code="too_many_answers")
        with self._changed:
            if self._closed:
                raise busy("the model is no longer served", "closed")
            if self._held + count > self.bound:
                raise busy("too many answers are waited for already; try again in a moment", "queue_full", status=429)
            self._held += count
        return Asked(self, count, seconds)

    @property
    def held(self) -> int:
        """How many answers are waited for, being written ones included."""
        return self._held

    @property
    def running(self) -> int:
        """How many rows are being written."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many answers wait for a row."""
        return max(0, self._held - self._running)

    def enter(self, wanted: Sequence[tuple[Key, Wanted]]) -> None:
        """Into the batch at its next step. Raises Refused where there is none any more."""
        with self._changed:
            if self._closed:
                raise busy("the model is no longer served", "closed")
            self._coming.extend(wanted)
            self._changed.notify()

    def leave(self, keys: Sequence[Key]) -> None:
        """Out of the batch before its next step."""
        with self._changed:
            self._going.extend(keys)
            self._changed.notify()

    def release(self, keys: Sequence[Key], count: int) -> None:
        """Places that are free again, and what still runs in them."""
        with self._changed:
            self._held -= count
            self._going.extend(keys)
            self._changed.notify()

    def close(self) -> None:
        """End the thread; whoever still waits is told."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._steps()
        finally:  # also where no batch can be made: nobody waits for an answer that nobody writes
            with self._changed:
                self._closed = True
                waiting = [*self._known, *(key for key, _ in self._coming)]
            self._fail(waiting, busy("the model is no longer served", "closed"))

    def _steps(self) -> None:
        """Until it is closed."""
        batch = self._make()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._coming or self._going or self._known or self._closed)
                if self._closed:
                    return
                coming, going = list(self._coming), list(self._going)
                self._coming.clear()
                self._going.clear()
            try:
                self._enter(batch, coming, set(going))
                self._leave(batch, going)
                told = batch.step() if self._known else []
            except Exception as error:  # whatever it was, those who wait are told, and others are answered
                LOG.error("a step failed; those who waited were told so", exc_info=error)
                self._fail([*self._known, *(key for key, _ in coming)], of_failure(error))
                batch, told = self._make(), []
            self._tell(told)
            self._running = batch.running

    def _enter(self, batch: Continuous, coming: Sequence[tuple[Key, Wanted]], going: set[Key]) -> None:
        """Whoever comes and has gone already costs nothing but its place."""
        for key, wanted in coming:
            if key in going:
                continue
            try:
                batch.add(key, wanted)
                self._known.add(key)
            except (Problem, Problems) as problem:
                key[0].hear(of_problem(problem))

    def _leave(self, batch: Continuous, going: Sequence[Key]) -> None:
        for key in going:
            if key in self._known:
                batch.remove(key)
                self._known.discard(key)

    def _tell(self, told: Sequence[Told]) -> None:
        for each in told:
            key = cast(Key, each.key)
            if each.stopped_by:
                self._known.discard(key)
            key[0].hear(each)

    def _fail(self, keys: Sequence[Key], why: Refused) -> None:
        for key in dict.fromkeys(keys):
            key[0].hear(why)
        self._known.clear()
