"""Which choices an open folder offers: every file in it without a leading underscore is one of that name.

Names are read from the folder, nothing is imported to list them. `load` is the one place that imports a choice by
name, and only `recipe` calls it.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from .errors import Misuse

KINDS = {
    "task": "tasks",
    "adapter": "models.adapters",
    "format": "data.formats",
    "audit": "data.audit",
    "clean": "data.clean",
    "augment": "data.augment",
    "metric": "metrics",
    "optimiser": "training.optimisers",
    "export": "exports",
    "observer": "training.observers",
}


def names(kind: str) -> tuple[str, ...]:
    """The choices of a kind, sorted. An open folder may hold a package as well as a file."""
    folder = Path(__file__).parent.joinpath(*KINDS[kind].split("."))
    return tuple(sorted(found.name for found in pkgutil.iter_modules([str(folder)]) if not found.name.startswith("_")))


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


def load(kind: str, name: str, where: str = "") -> ModuleType:
    """Import the module of a choice; a dotted name (`mypackage.my_task`) is an outsider's own.

    Raises Misuse for an unknown name, with the nearest one.
    """
    if "." in name:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise Misuse(f"{kind}.unknown", f"{kind} `{name}` cannot be imported: {error}", where,
                         f"install the package that holds `{name}`") from error
    choices = names(kind)
    if name not in choices:
        near = nearest(name, choices)
        remedy = f"use `{near}`" if near else f"use one of: {', '.join(choices)}"
        raise Misuse(f"{kind}.unknown", f"there is no {kind} `{name}`", where, remedy)
    return importlib.import_module(f"{__package__}.{KINDS[kind]}.{name}")
