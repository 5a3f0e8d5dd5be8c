"""huggingface_hub, imported when first needed, and let out only while it is asked for something.

What the environment says is read at each call, under the names that the Hub's own tools know: HF_ENDPOINT, HF_TOKEN,
HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from ..errors import Misuse

QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
YES = ("1", "on", "yes", "true")
ONE_AT_A_TIME = RLock()  # what says whether the library may go out is one word for the whole process


@contextmanager
def online(where: str) -> Iterator[Any]:
    """The library, allowed to ask the Hub; outside of this it is not. Raises Misuse where it is missing."""
    os.environ.update(QUIET)
    try:
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub import logging as its_log
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as error:
        raise Misuse("hub.no_library", "asking the Hub needs the package `huggingface_hub`", where,
                     "pip install 'tunesmith[hub]'") from error
    its_log.set_verbosity_error()
    disable_progress_bars()
    with ONE_AT_A_TIME:
        before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, False
        try:
            yield huggingface_hub
        finally:
            constants.HF_HUB_OFFLINE = before


def offline() -> bool:
    """Whether the user wants nothing fetched."""
    return any(os.environ.get(name, "").lower() in YES for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def endpoint() -> str:
    """The address of the Hub, or of its mirror."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def token() -> str | bool:
    """The token of HF_TOKEN, else that of `hf auth login`; False where there is none."""
    named = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    if named:
        return named.strip()
    try:
        kept = Path(os.environ.get("HF_TOKEN_PATH") or _home() / "token").expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return kept.strip() or False


def cache() -> Path:
    """The folder in which the Hub's tools keep what they fetched; it need not exist yet."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(named).expanduser() if named else _home() / "hub"


def _home() -> Path:
    named = os.environ.get("HF_HOME")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "huggingface"
