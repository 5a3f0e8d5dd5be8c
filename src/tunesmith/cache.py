"""Where results that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`TUNESMITH_CACHE`, else `tunesmith` in the user's cache folder; it need not exist yet."""
    named = os.environ.get("TUNESMITH_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "tunesmith"
