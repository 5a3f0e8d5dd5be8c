"""Options of a section that name files: a relative path counts from the folder of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

FILE: Final = "a file, whose path counts from the folder of the recipe"


def files(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Each option of a section that names a file, and the file."""
    for name, field in type(settings).model_fields.items():
        value = vars(settings)[name]
        if FILE in field.metadata and isinstance(value, str):
            yield name, value
