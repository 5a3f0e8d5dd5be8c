"""SHA-256 of large files, remembered by where a file lies and what the system says of it.

Whoever changes a file's content changes its size or its times; that of the last change of its entry (ctime) cannot be
set by any program, so a file put back under its old time is seen too. As git does, a file that was touched a moment
before it was read is not remembered: its times could hide another change in the same tick. What is not seen is a disk
that changes by itself, and a clock that was set back.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cache import cache_folder
from . import lineage

LARGE_BYTES = 16 << 20  # below that, reading is as fast as asking
SETTLED_NANOSECONDS = 2_000_000_000  # the coarsest times of a file system that is in use


def digest_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Raises Misuse where it cannot be read."""
    facts = _facts(path)
    if facts is None or facts["size"] < LARGE_BYTES:
        return lineage.digest_file(path)
    kept = cache_folder() / "digests" / f"{hashlib.sha256(facts['path'].encode()).hexdigest()}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(kept.read_text())
        if found["facts"] == facts and len(found["sha256"]) == hashlib.sha256().digest_size * 2:
            return str(found["sha256"])
    began = time.time_ns()
    digest = lineage.digest_file(path)
    if facts == _facts(path) and began - max(facts["mtime_ns"], facts["ctime_ns"]) > SETTLED_NANOSECONDS:
        _keep(kept, {"facts": facts, "sha256": digest})
    return digest


def _facts(path: Path) -> dict[str, Any] | None:
    """What the system says of a file; nothing where it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return None
    return {"path": os.path.realpath(path), "size": found.st_size, "mtime_ns": found.st_mtime_ns,
            "ctime_ns": found.st_ctime_ns, "inode": found.st_ino, "device": found.st_dev}


def _keep(kept: Path, content: dict[str, Any]) -> None:
    """A cache that cannot be written costs the next start the reading of the file."""
    draft = kept.with_suffix(f".{secrets.token_hex(4)}")
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(content))
        draft.replace(kept)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
