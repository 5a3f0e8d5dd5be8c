"""Options of a section that name files or models: a relative path counts from the folder of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

FILE: Final = "a file, whose path counts from the folder of the recipe"
MODEL: Final = "a base or a run that is asked, named as `base.name` is"


def files(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Each option of a section that names a file, and the file."""
    yield from _of(settings, FILE)


def models(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Each option of a section that names a model, and the model."""
    yield from _of(settings, MODEL)


def _of(settings: BaseModel, kind: str) -> Iterator[tuple[str, str]]:
    for name, field in type(settings).model_fields.items():
        value = vars(settings)[name]
        if kind in field.metadata and isinstance(value, str):
            yield name, value
