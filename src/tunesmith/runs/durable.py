"""Files that are whole or absent, whatever happens to the process, the disk or the power.

Two failures must be told apart. *Not committed* (`runs.no_space`, `runs.read_only`, `runs.not_written`,
`runs.fsync_failed`): the old content stands. *Uncertain* (`runs.uncertain`): the new content is visible, but the
folder's fsync failed, so a power cut may still take it back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import secrets
import sys
from pathlib import Path
from typing import Any

from ..errors import Failure, Misuse, Refusal
from . import plain

if sys.platform == "darwin":
    import fcntl

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
FSYNC_FAILED = "runs.fsync_failed"
UNCERTAIN = "runs.uncertain"
TEMPORARY = ".tmp"


def write_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`: afterwards it is there whole and on the disk, or the old content stands.

    Raises Failure; its kind tells whether the new content was committed (see the head of this file).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        write_new(temporary, data)
        temporary.replace(path)
    except OSError as error:
        raise problem(error, path, len(data)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    confirm(path)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, and fsync it; the mode is what the umask leaves.

    Raises OSError, and Failure `runs.fsync_failed`.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest):]
        sync(descriptor, path)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Put a JSON value at `path`, like `write_file`; NaN is written as null."""
    write_file(path, plain.pretty(value))


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises Misuse where there is none to read, Refusal where it is no JSON."""
    try:
        return plain.parse(path.read_bytes())
    except OSError as error:
        raise Misuse("runs.unreadable", f"`{path.name}` cannot be read: {error.strerror}", str(path),
                     "name a run folder that holds this file and that you may read") from error
    except ValueError as error:
        raise Refusal("runs.broken_json", f"`{path.name}` is damaged: {error}", str(path),
                      "restore the file from a copy, or start a new run") from error


def sync(descriptor: int, path: Path) -> None:
    """Return once the file is on the disk. Raises Failure `runs.fsync_failed`, after which the file is not to be used.

    Never call it again on a file for which it failed: the kernel may have dropped the pages, and then says that all
    is well (PostgreSQL's fsync trouble of 2018).
    """
    try:
        if sys.platform == "darwin":
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise problem(error, path) from error
        raise Failure(FSYNC_FAILED, f"the disk did not confirm `{path.name}`: {error.strerror}", str(path),
                      "look at the system log for disk errors, then start again") from error


def sync_folder(folder: Path) -> None:
    """Return once the folder's entries are on the disk. Raises Failure `runs.fsync_failed`."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise problem(error, folder) from error
    try:
        sync(descriptor, folder)
    finally:
        os.close(descriptor)


def confirm(path: Path) -> None:
    """Return once a file or folder that was just renamed to `path` will be found there after a power cut.

    Raises Failure `runs.uncertain`: it is there now, and whole.
    """
    try:
        sync_folder(path.parent)
    except Failure as failure:
        raise Failure(UNCERTAIN, f"`{path.name}` is written, but its folder was not confirmed: {failure.what}",
                      str(path), "look at the system log for disk errors; a power cut may take it back") from failure


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, each entry on the disk. Raises Failure, or Misuse for a file."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        if path.is_dir():
            continue
        try:
            path.mkdir(exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise Misuse("runs.not_a_folder", f"`{folder}` cannot be a folder: a file is in the way", str(path),
                         "choose another folder, or move the file away") from error
        except OSError as error:
            raise problem(error, path) from error
        sync_folder(path.parent)


def problem(error: OSError, path: Path, needed: int = 0) -> Failure:
    """The Failure that tells a person what an error of writing to `path` means; `needed` bytes were to be written."""
    reason = error.strerror or str(error)
    if error.errno == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        return Failure("runs.no_space", f"`{path.name}` is larger than a file may be here ({limit:,} bytes): {reason}",
                       str(path), "raise the limit (`ulimit -f`), then start again")
    if error.errno in NO_SPACE:
        return no_space(path, needed, reason)
    if error.errno in READ_ONLY:
        return Failure("runs.read_only", f"`{path.name}` may not be written: {reason}", str(path),
                       "make the folder writable, or choose another with `run.folder`")
    return Failure("runs.not_written", f"`{path.name}` was not written: {reason}", str(path),
                   "look at the system log for disk errors, then start again")


def of_writing(error: Exception, path: Path, needed: int = 0) -> Failure:
    """The Failure of an error while tensors are written: safetensors tells the system's number in its text alone."""
    if isinstance(error, OSError):
        return problem(error, path, needed)
    number = re.search(r"(?:os error|code:) (\d+)", str(error))
    return problem(OSError(int(number[1]) if number else errno.EIO, str(error)), path, needed)


def no_space(path: Path, needed: int, reason: str) -> Failure:
    """The Failure of a full disk or quota, with the bytes that are missing where they are known."""
    free = free_bytes(path)
    known = f"{needed:,} bytes are needed, {needed - free:,} are missing, " if needed > free else ""
    return Failure("runs.no_space", f"no space for `{path.name}`: {reason}; {known}{free:,} bytes are free", str(path),
                   "free some space (or raise the quota), then go on with `--resume`")


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write on the disk that holds `path` (or its nearest parent that exists)."""
    while not path.exists() and path != path.parent:
        path = path.parent
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize
