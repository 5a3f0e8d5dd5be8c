"""Packages that only some checks and steps need: imported where they are used, asked for where they lack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Misuse


@contextmanager
def needed(package: str, by: str) -> Iterator[None]:
    """Around an import: a package that is missing is a Misuse that says how to get it. by: the check or the step."""
    try:
        yield
    except ImportError as error:
        raise Misuse("data.not_installed", f"{by} needs the package `{package}`, which is not installed", "",
                     "pip install 'tunesmith[data]'") from error
