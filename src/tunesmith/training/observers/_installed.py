"""Whether the package that an observer hands its numbers to is there."""

from __future__ import annotations

import importlib.util

from ...errors import Misuse


def demand(package: str, install: str) -> None:
    """Raise Misuse, with the command that installs it, where a package is missing. It is not imported."""
    if importlib.util.find_spec(package) is None:
        raise Misuse("observer.not_installed", f"`{package}` is not installed", "run.observers", install)
