"""Options of a section that name files or models: a relative path counts from the folder of the recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import BaseModel

FILE: Final = "a file, or several, whose paths count from the folder of the recipe"
MODEL: Final = "a base or a run that is asked, named as `base.name` is"


def files(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Each option of a section that names files, with each file."""
    for name, value in _of(settings, FILE):
        yield from ((name, file) for file in ([value] if isinstance(value, str) else value))


def models(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Each option of a section that names a model, and the model."""
    yield from ((name, value) for name, value in _of(settings, MODEL) if isinstance(value, str))


def moved(settings: BaseModel, change: Callable[[str], str]) -> dict[str, Any]:
    """The options of a section that name files, with other paths."""
    return {name: change(value) if isinstance(value, str) else tuple(map(change, value))
            for name, value in _of(settings, FILE)}


def _of(settings: BaseModel, kind: str) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for name, field in type(settings).model_fields.items():
        value = vars(settings)[name]
        if kind in field.metadata and value:
            yield name, value
