"""The manifest of a checkpoint: what must be in the folder, and whether it is.

`manifest.json` is written last, so a folder without one was never finished. It carries a digest of its own bytes (as
they are with zeros in the digest's place), because a bit can flip in it as in any other file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from . import durable, placing, plain

NAME = "manifest.json"
UNSIGNED = "0" * 64
NO_PLAIN_FILE = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ENXIO})


class Damaged(Exception):
    """What is wrong with a checkpoint's folder, and in which file."""

    def __init__(self, file: str, fault: str) -> None:
        super().__init__(f"`{file}` {fault}")


def seal(folder: Path, step: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Make a folder's files durable and write its manifest, last; the manifest's content.

    Files get the mode that the umask leaves (safetensors writes 0600), are fsynced and hashed. Raises OSError, and
    Failure `runs.fsync_failed`.
    """
    files = placing.settle(folder)
    content: dict[str, Any] = plain.plain({"step": step, "files": files, "facts": facts, "digest": UNSIGNED})
    content["digest"] = hashlib.sha256(plain.pretty(content)).hexdigest()
    durable.write_new(folder / NAME, plain.pretty(content))
    durable.sync_folder(folder)
    return content


def verified(folder: Path, step: int) -> dict[str, Any]:
    """The manifest's content, every file hashed.

    Raises Damaged with the first fault, FileNotFoundError where the folder itself is gone, OSError where it cannot be
    read (which proves no damage).
    """
    folder.lstat()
    content = _read(folder)
    if content.get("step") != step or not isinstance(content.get("facts"), dict):
        raise Damaged(NAME, f"is not of step {step}")
    files = content.get("files")
    if not isinstance(files, dict):
        raise Damaged(NAME, "names no files")
    for name, stated in files.items():
        _compare(folder, name, stated)
    return content


def _read(folder: Path) -> dict[str, Any]:
    with os.fdopen(_opened(folder, NAME), "rb") as file:
        raw = file.read()
    try:
        content = plain.parse(raw)
    except ValueError as error:
        raise Damaged(NAME, "is no JSON") from error
    digest = content.get("digest") if isinstance(content, dict) else None
    if not isinstance(digest, str) or len(digest) != len(UNSIGNED):
        raise Damaged(NAME, "has no digest")
    if hashlib.sha256(raw.replace(digest.encode("utf-8", "replace"), UNSIGNED.encode())).hexdigest() != digest:
        raise Damaged(NAME, "does not match its own digest")
    return dict(content)


def _compare(folder: Path, name: str, stated: Any) -> None:
    with os.fdopen(_opened(folder, name), "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if not isinstance(stated, dict) or length != stated.get("bytes"):
            expected = stated.get("bytes") if isinstance(stated, dict) else None
            raise Damaged(name, f"has {length} bytes, not the {expected} of the manifest")
        if hashlib.file_digest(file, "sha256").hexdigest() != stated.get("sha256"):
            raise Damaged(name, "does not match its SHA-256")


def _opened(folder: Path, name: str) -> int:
    """A descriptor of a plain file inside the folder; no name and no link leads outside it."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\0" in name or "\\" in name:
        raise Damaged(name, "is a path that leads outside the checkpoint")
    path = folder / pure
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Damaged(name, "leads outside the checkpoint")
        # O_NONBLOCK: a pipe in a file's place must not hold us up
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if not folder.exists():
            raise
        raise Damaged(name, "is missing") from error
    except RuntimeError as error:  # a loop of links, as Python 3.11 tells it
        raise Damaged(name, "is no plain file") from error
    except OSError as error:
        if error.errno in NO_PLAIN_FILE:
            raise Damaged(name, "is no plain file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Damaged(name, "is no plain file")
    return descriptor
