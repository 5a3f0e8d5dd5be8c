"""Where a page may be written: never over anything else than a page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import Misuse

BEGINNING: Final = b"<!doctype html>"


def demand_page(file: Path) -> None:
    """Raise Misuse unless a page may be written there: data or a recipe that was meant otherwise must not be lost."""
    if not file.parent.is_dir():
        raise Misuse("page.no_folder", f"there is no folder `{file.parent}`", str(file), "make the folder first")
    if file.is_dir():
        raise Misuse("page.folder", f"`{file}` is a folder", str(file), "name a file, such as `preview.html`")
    if file.exists():
        with file.open("rb") as opened:
            if opened.read(len(BEGINNING)).lower() not in (b"", BEGINNING):
                raise Misuse("page.in_the_way", f"`{file}` holds something else than a page", str(file),
                             "name another file; only pages are written over")
