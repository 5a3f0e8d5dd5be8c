"""A request to stop: obeyed at once while nothing must be saved, then a flag that the loop reads between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from ..errors import Busy

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the last one where a terminal is closed


@dataclass(slots=True)
class Stop:
    """Whether somebody asked for a stop; `by` is the signal's name, such as `SIGTERM`."""

    requested: bool = False
    by: str = ""
    interrupts: int = 0


class _Asked(KeyboardInterrupt):
    """Somebody asked for a stop; like Ctrl-C, nothing that handles errors takes it for one."""


@contextmanager
def at_once(when: str = "before the first step; there was nothing to save") -> Iterator[None]:
    """Whoever asks for a stop is obeyed at once, by a Busy; for as long as there is nothing that must be saved.

    when: what a stop is said to have come in. Inside, `listening` takes over for a while.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise _Asked(signal.Signals(number).name)

    try:
        with _handled(end):
            yield
    except _Asked as asked:
        raise Busy("run.stopped", f"stopped by {asked} {when}", "",
                   "run the same command again") from None


@contextmanager
def listening(tell: Callable[[str], object] = str) -> Iterator[Stop]:
    """A flag that SIGTERM, SIGHUP and Ctrl-C raise while the context lasts; a second Ctrl-C is a KeyboardInterrupt.

    tell: hears the signal's name, once, when it comes.

    The handlers that stood before are put back. Signals reach the main thread only: elsewhere nothing is changed and
    the flag stays down.
    """
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        first, name = not stop.requested, signal.Signals(number).name
        stop.requested, stop.by = True, name
        if first:
            with suppress(RuntimeError):  # it came in the middle of another write, which cannot be begun anew
                tell(name)
        if number == signal.SIGINT:
            stop.interrupts += 1
        if stop.interrupts > 1:
            raise KeyboardInterrupt

    with _handled(ask):
        yield stop


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """The handler stands for every signal that asks for a stop, but for a hang-up that `nohup` has ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asking = [number for number in ASKING
              if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in asking}
    try:
        yield
    finally:
        for number, kept in before.items():
            # None: the handler was set outside Python and cannot be put back
            signal.signal(number, signal.SIG_DFL if kept is None else kept)
