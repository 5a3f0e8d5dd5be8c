"""Folders for others that exist whole or not at all: written beside their place, made durable, then put there.

    .merged.staging-3fa2c1d0    being written; worthless until it has the name
    merged/                     exists: every file of it is on the disk
    .merged.removed-9c01d2e4    what stood there before, on its way out

Where the file system can, the old folder and the new one exchange their names in one moment.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import Misuse
from . import durable

STAGING, REMOVED = "staging", "removed"
AT_CURRENT_FOLDER = -100 if sys.platform != "darwin" else -2
EXCHANGE = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
SWAPPING = "renameat2" if sys.platform != "darwin" else "renameatx_np"


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` to write into, which is gone at the end unless `put` has given it the name."""
    durable.make_folder(target.parent)
    folder = _beside(target, STAGING)
    try:
        folder.mkdir()
    except OSError as error:
        raise durable.problem(error, folder) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settle(folder: Path) -> dict[str, Any]:
    """Bring every file of a folder to the disk, readable for whom the umask lets; size and SHA-256 of each by its name.

    The folder's own entries are left to the caller, who has one more file to write. Raises OSError, and Failure
    `runs.fsync_failed`.
    """
    mode = folder.stat().st_mode & 0o666  # the folder was made with 0o777 less the umask; safetensors writes 0600
    files: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        path.chmod(mode)
        with path.open("rb") as file:
            durable.sync(file.fileno(), path)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.relative_to(folder).as_posix()] = {"bytes": file.tell(), "sha256": digest}
    for path in folder.rglob("*"):
        if path.is_dir():
            durable.sync_folder(path)
    return files


def put(staging: Path, target: Path) -> None:
    """Give a settled folder its name; what stood there before is there until that moment, and gone after it.

    Raises Failure; unless its kind is `runs.uncertain`, the old folder stands.
    """
    try:
        if _is_there(target):
            _replace(staging, target)
        else:
            staging.rename(target)
    except OSError as error:
        raise durable.problem(error, target) from error
    durable.confirm(target)


def clean(target: Path) -> None:
    """Remove what a process that was killed left beside `target`, which nobody else is writing."""
    removed = _left(target, REMOVED)
    if removed and not target.exists():  # killed between two renames: the old one goes back
        removed.pop().rename(target)
    for path in (*removed, *_left(target, STAGING)):
        shutil.rmtree(path, ignore_errors=True)


def refuse_foreign(target: Path, mark: str) -> None:
    """Raise Misuse where something stands at `target` that is no folder of ours, which has a file called `mark`."""
    if _is_there(target) and not (target / mark).is_file():
        raise Misuse("export.foreign", f"`{target}` holds something else (it has no `{mark}`), and is not overwritten",
                     str(target), "name a folder that does not exist, with `--output`")


def _is_there(target: Path) -> bool:
    """Whether a rename to `target` would put something away: an empty folder is nothing."""
    if target.is_dir() and not target.is_symlink():
        return any(target.iterdir())
    return target.exists() or target.is_symlink()


def _replace(staging: Path, target: Path) -> None:
    """In one moment where the file system can, else in two renames that `clean` mends."""
    old = staging
    if not _exchanged(staging, target):
        old = _beside(target, REMOVED)
        target.rename(old)
        try:
            staging.rename(target)
        except OSError:
            old.rename(target)
            raise
    with suppress(OSError):
        shutil.rmtree(old)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two folders have exchanged their names; a system without that says no."""
    try:
        swap = ctypes.CDLL(None, use_errno=True)[SWAPPING]
    except AttributeError:
        return False
    done: int = swap(AT_CURRENT_FOLDER, os.fsencode(one), AT_CURRENT_FOLDER, os.fsencode(other), EXCHANGE)
    return done == 0


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{kind}-{secrets.token_hex(4)}")


def _left(target: Path, kind: str) -> list[Path]:
    return sorted(target.parent.glob(f".{target.name}.{kind}-*"))
