"""What a person or a program sees: the one place that writes to the terminal."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ..errors import FAILED
from ..visible import visible

RED, YELLOW, CYAN, GREEN, BOLD, DIM = "31", "33", "36", "32", "1", "2"


@dataclass(frozen=True)
class Screen:
    """Where one command writes: `out` carries what was asked for, `err` all else.

    With `as_json` exactly one JSON value goes to `out`, and what would have gone there for a person goes nowhere.
    """

    as_json: bool
    out: TextIO
    err: TextIO

    @classmethod
    def of(cls, as_json: bool, out: TextIO, err: TextIO) -> Screen:
        """A screen that can write any text to these streams, whatever their encoding."""
        for stream in (out, err):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return cls(as_json, out, err)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """With `--json`, whatever a library prints goes to `err`: nothing may stand beside the answer."""
        if not self.as_json:
            yield
            return
        with contextlib.redirect_stdout(self.err):
            yield

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """What the library logs for a person, such as a long conversion that begins, is told."""
        listener = _Listener(self)
        logger = logging.getLogger(__package__.partition(".")[0])
        logger.addHandler(listener)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(listener)

    def answer(self, value: Any) -> None:
        """Write the one JSON value, on one line."""
        self.out.write(json.dumps(_finite(value), allow_nan=False) + "\n")

    def say(self, text: str = "", style: str = "") -> None:
        """A line that was asked for. Control characters in it are shown, not obeyed."""
        self.write(text, style)
        self.write("\n")

    def write(self, text: str, style: str = "") -> None:
        """Part of a line that was asked for; written at once, so that answers stream."""
        if not self.as_json:
            self.out.write(painted(visible(text), style, self.colours))
            self.out.flush()

    def tell(self, text: str, style: str = "") -> None:
        """A line beside the answer: progress, warnings, what to do next."""
        self.err.write(painted(visible(text), style, coloured(self.err)) + "\n")
        self.err.flush()

    def flush(self) -> None:
        """Meet a closed pipe now, while it can still be dealt with."""
        self.out.flush()

    @property
    def colours(self) -> bool:
        """Whether what is asked for may be coloured."""
        return coloured(self.out)

    @property
    def width(self) -> int | None:
        """How many letters fit into a line of a terminal; None where lines go elsewhere, and may be of any length."""
        return shutil.get_terminal_size().columns if self.out.isatty() else None


class _Listener(logging.Handler):
    """Hands log lines to a screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one line."""
        self.screen.tell(record.getMessage())


def coloured(stream: TextIO) -> bool:
    """Whether somebody looks at this stream who has not asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, style: str, colours: bool) -> str:
    """The text in a style (SGR numbers such as `31` or `1;36`), or plain."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and colours and text else text


def sized(byte_count: float) -> str:
    """Bytes for a person: `6.1 GB`."""
    return f"{byte_count / 1e9:.1f} GB" if byte_count >= 1e9 else f"{byte_count / 1e6:.0f} MB"


def clock(seconds: float) -> str:
    """A span for a person: `00:11:40`."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def hang_up() -> int:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail; returns the exit code."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return FAILED


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(each) for each in value]
    return value
