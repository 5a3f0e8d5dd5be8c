"""Where each value of a recipe comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .lines import Document, Steps
from .read import located
from .write import leaves

DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """A value, and its origin: `file:line`, `command line: …` or `default`."""

    value: Any
    origin: str


def origins(path: Path, overrides: Sequence[str] = ()) -> dict[str, Origin]:
    """Every option of the recipe, resolved, and where its value comes from; raises as `read` does."""
    recipe, document = located(path, overrides)
    return {name: Origin(value, _where(tuple(name.split(".")), document)) for name, value in leaves(recipe).items()}


def _where(path: Steps, document: Document) -> str:
    return document.places.get(path, DEFAULT)
