"""A file of arrays that is believed only whole: a digest over every byte, then what was noted, then the arrays.

The arrays are memory-mapped. A file that is torn, flipped, of another layout or of another key is no file; one that
cannot be written is not missed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

LAYOUT = b"tunesmith tokens 1\n"
DIGEST = hashlib.sha256().digest_size
HEADER = len(LAYOUT) + DIGEST + 8
ALIGNED = 64
AT_ONCE = 1 << 24
KEPT_FILES, KEPT_BYTES = 64, 8 << 30
DRAFT = ".draft"
SUFFIX = ".tokens"

Notes = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def read(folder: Path, key: str) -> tuple[Notes, Arrays] | None:
    """What was kept under a key: its notes and its arrays, read-only; None where nothing whole is."""
    path = folder / f"{key}{SUFFIX}"
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        found = _parsed(content, key)
        with suppress(OSError):
            os.utime(path)  # what is used is kept longest
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found


def write(folder: Path, key: str, notes: Notes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep notes (JSON) and arrays under a key. Several processes may do so at once; a full disk is no error."""
    draft = folder / f"{key}.{secrets.token_hex(8)}{DRAFT}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            _put(file, key, notes, arrays)
        draft.replace(folder / f"{key}{SUFFIX}")
        _make_room(folder)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _parsed(content: memoryview, key: str) -> tuple[Notes, Arrays]:
    """Raises ValueError, KeyError or TypeError for anything that is not whole and of this key."""
    if content[: len(LAYOUT)] != LAYOUT:
        raise ValueError("another layout")
    if hashlib.sha256(content[len(LAYOUT) + DIGEST :]).digest() != content[len(LAYOUT) : len(LAYOUT) + DIGEST]:
        raise ValueError("torn or flipped")
    length = int.from_bytes(content[HEADER - 8 : HEADER], "little")
    told = json.loads(bytes(content[HEADER : HEADER + length]))
    if told["key"] != key:
        raise ValueError("another key")
    arrays = {}
    for name, (kind, shape, offset) in told["arrays"].items():
        array = np.frombuffer(content, np.dtype(kind), int(np.prod(shape)), HEADER + length + offset)
        arrays[name] = array.reshape(shape)
    return told["notes"], arrays


def _put(file: BinaryIO, key: str, notes: Notes, arrays: Mapping[str, NDArray[Any]]) -> None:
    places, offset = {}, 0
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"`{name}` holds objects, which no file can keep")
        places[name] = (array.dtype.str, array.shape, offset)
        offset += _padded(array.nbytes)
    told = json.dumps({"key": key, "notes": notes, "arrays": places}).encode()
    told += b" " * (_padded(HEADER + len(told)) - HEADER - len(told))
    digest = hashlib.sha256()
    file.write(LAYOUT + bytes(DIGEST))
    for part in chain((len(told).to_bytes(8, "little"), told), *map(_parts, arrays.values())):
        digest.update(part)
        file.write(part)
    file.seek(len(LAYOUT))
    file.write(digest.digest())


def _parts(array: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """The bytes of an array, a little at a time: one that is mapped from a file is never held whole."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, array.nbytes, AT_ONCE):
        yield flat[start : start + AT_ONCE].data
    yield bytes(_padded(array.nbytes) - array.nbytes)


def _padded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _make_room(folder: Path) -> None:
    """Remove what was used longest ago, and drafts that nobody finished; the newest file always stays."""
    files = sorted(((file.stat(), file) for file in folder.iterdir() if file.suffix in (SUFFIX, DRAFT)),
                   key=lambda found: found[0].st_mtime_ns, reverse=True)
    total = 0
    for place, (facts, file) in enumerate(files):
        total += facts.st_size
        if place and (total > KEPT_BYTES or place >= KEPT_FILES):
            file.unlink(missing_ok=True)
