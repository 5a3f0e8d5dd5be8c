"""The environment that makes torch's memory cheap; it must be set before torch is first imported."""

from __future__ import annotations

import os


def prepare_environment() -> None:
    """Ask torch for huge pages on Linux, unless the user has said otherwise.

    Where the kernel gives them only on request (`transparent_hugepage/enabled` is `madvise`, a common default), fresh
    memory otherwise costs one page fault for every 4 KiB.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
