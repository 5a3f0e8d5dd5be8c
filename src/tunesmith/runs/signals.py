"""A request to stop, as a flag that the loop reads between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Stop:
    """Whether somebody asked for a stop; `by` is the signal's name, such as `SIGTERM`."""

    requested: bool = False
    by: str = ""
    interrupts: int = 0


@contextmanager
def listening() -> Iterator[Stop]:
    """A flag that SIGTERM and Ctrl-C raise while the context lasts; a second Ctrl-C is a KeyboardInterrupt at once.

    The handlers that stood before are put back. Signals reach the main thread only: elsewhere nothing is changed and
    the flag stays down.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop.requested, stop.by = True, signal.Signals(number).name
        if number == signal.SIGINT:
            stop.interrupts += 1
        if stop.interrupts > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            # None: the handler was set outside Python and cannot be put back
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
