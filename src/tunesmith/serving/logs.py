"""The server's log: one line an event on stderr, without secrets (R15) and without what would steer a terminal."""

from __future__ import annotations

import logging
from typing import Any

from ..runs.redact import BLOT, redacted
from ..visible import visible


class Redacting(logging.Formatter):
    """Lines in which keys, tokens and the server's own key are blotted out."""

    def __init__(self, key: str = "") -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        """One event; of an error its traceback too."""
        line: str = redacted(super().format(record))
        return visible(line.replace(self._key, BLOT) if self._key else line)


def config(key: str = "", level: str = "INFO") -> dict[str, Any]:
    """What `logging.config` takes: uvicorn's and the server's own events, to stderr."""
    logger = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"redacting": {"()": Redacting, "key": key}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacting",
                                "stream": "ext://sys.stderr"}},
        # a line for each request would hold whatever strangers write into addresses
        "loggers": {"uvicorn": {**logger, "level": "ERROR"}, "tunesmith.serving": logger,
                    "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False}},
    }
