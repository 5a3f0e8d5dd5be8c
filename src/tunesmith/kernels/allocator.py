"""The environment in which torch works fast, and at all; it must be set before torch is first imported."""

from __future__ import annotations

import os

from . import processor

WITHOUT_TILES = "AVX512_CORE_FP16"


def prepare_environment() -> None:
    """Ask torch for huge pages, and keep it off AMX where that would end the process; what the user set stands.

    Where the kernel gives huge pages only on request (`transparent_hugepage/enabled` is `madvise`, a common default),
    fresh memory otherwise costs one page fault for every 4 KiB.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "amx_tile" in processor.flags() and not processor.tiles_described():
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", WITHOUT_TILES)
